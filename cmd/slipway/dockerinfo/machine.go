package dockerinfo

import (
	"bufio"
	"os"
	"runtime"
	"strconv"
	"strings"
)

// ThisMachine returns what is known of the machine without asking anybody. What cannot
// be read is empty.
func ThisMachine() Machine {
	m := Machine{CPUs: runtime.NumCPU()}
	m.Hostname, _ = os.Hostname()
	kernel, _ := os.ReadFile("/proc/sys/kernel/osrelease")
	m.Kernel = strings.TrimSpace(string(kernel))
	release, _ := os.ReadFile("/etc/os-release")
	m.System = systemName(string(release))
	memory, _ := os.ReadFile("/proc/meminfo")
	m.Memory = totalMemory(string(memory))
	return m
}

// systemName is the name in a file os-release
// (https://www.freedesktop.org/software/systemd/man/latest/os-release.html).
func systemName(release string) string {
	name := ""
	for line := range strings.Lines(release) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		value = strings.Trim(value, `"'`)
		if key == "PRETTY_NAME" {
			return value
		}
		if key == "NAME" {
			name = value
		}
	}
	return name
}

// totalMemory is the memory in bytes that a file meminfo has; 0 if it is not there.
func totalMemory(meminfo string) int64 {
	lines := bufio.NewScanner(strings.NewReader(meminfo))
	for lines.Scan() {
		words := strings.Fields(lines.Text())
		if len(words) < 2 || words[0] != "MemTotal:" {
			continue
		}
		if kib, err := strconv.ParseInt(words[1], 10, 64); err == nil && kib >= 0 && kib < 1<<50 {
			return kib << 10
		}
	}
	return 0
}
