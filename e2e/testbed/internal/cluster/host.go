package cluster

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/slipway-build/slipway/e2e/testbed/internal/proc"
)

// host is what the testbed found on the machine before it changed anything. It
// is written down first, so that whoever takes the testbed down, even after a
// killed start, knows what to put back.
type host struct {
	// Sysctls that Kubernetes' programs change, with their values before.
	Sysctls map[string]string `json:"sysctls"`
	// Absent are folders that Kubernetes' programs make outside of their own.
	Absent []string `json:"absent"`
	// BinfmtMounted and BinfmtRegistered tell what was somebody else's.
	BinfmtMounted    bool `json:"binfmtMounted"`
	BinfmtRegistered bool `json:"binfmtRegistered"`
	// Cgroup is the cgroup of all that the testbed started.
	Cgroup string `json:"cgroup"`
}

var changedSysctls = []string{
	"net/ipv4/ip_forward",
	"net/ipv4/conf/all/route_localnet",
	"net/ipv6/conf/all/forwarding",
	"net/bridge/bridge-nf-call-iptables",
	"net/netfilter/nf_conntrack_max",
	"net/netfilter/nf_conntrack_tcp_timeout_established",
	"net/netfilter/nf_conntrack_tcp_timeout_close_wait",
	"net/netfilter/nf_conntrack_tcp_be_liberal",
	"vm/overcommit_memory",
	"vm/panic_on_oom",
	"kernel/panic",
	"kernel/panic_on_oops",
	"kernel/keys/root_maxkeys",
	"kernel/keys/root_maxbytes",
	"fs/inotify/max_user_instances",
}

// strayFolders have no option that would put them elsewhere.
var strayFolders = []string{
	"/etc/cni",
	"/etc/kubernetes",
	"/opt/cni",
	"/opt/containerd",
	"/run/cni",
	"/run/containerd",
	"/run/kubernetes",
	"/run/runc",
	"/usr/libexec/kubernetes",
	"/var/lib/cni",
	"/var/lib/kubelet",
	"/var/log/containers",
	"/var/log/pods",
}

const (
	binfmtMount = "/proc/sys/fs/binfmt_misc"
	binfmtName  = "qemu-aarch64"
	// The first bytes of a little-endian 64-bit ELF program for machine 0xb7,
	// executable or shared, and the mask that says which bits count.
	binfmtMagic = `\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00`
	binfmtMask  = `\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff`
	// P keeps argv[0], without which busybox does not know which applet it is;
	// F opens the emulator now, so that it works in every container; O and C
	// let it run what it may not read and keep a program's credentials.
	binfmtFlags = "POCF"
)

// hostUp notes how the machine is, then changes what the cluster needs.
func hostUp(journal, emulator string, sixes bool) error {
	if err := noteHost(journal); err != nil {
		return err
	}
	wanted := map[string]string{"net/ipv4/ip_forward": "1", "fs/inotify/max_user_instances": "8192"}
	if sixes {
		wanted["net/ipv6/conf/all/forwarding"] = "1"
	}
	for name, value := range wanted {
		if err := os.WriteFile(sysctlPath(name), []byte(value), 0o644); err != nil {
			return fmt.Errorf("set %s: %w", name, err)
		}
	}
	return binfmtUp(emulator)
}

func noteHost(journal string) error {
	if _, err := os.Stat(journal); err == nil {
		return nil // a start that was killed noted it, before it changed anything
	} else if !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("look for the notes on the machine: %w", err)
	}
	h := host{Sysctls: map[string]string{}, Cgroup: wantedCgroup()}
	for _, name := range changedSysctls {
		value, err := os.ReadFile(sysctlPath(name))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return fmt.Errorf("read %s: %w", name, err)
		}
		h.Sysctls[name] = strings.TrimSpace(string(value))
	}
	for _, folder := range strayFolders {
		if _, err := os.Lstat(folder); errors.Is(err, fs.ErrNotExist) {
			h.Absent = append(h.Absent, folder)
		}
	}
	h.BinfmtMounted = exists(filepath.Join(binfmtMount, "status"))
	h.BinfmtRegistered = exists(filepath.Join(binfmtMount, binfmtName))
	text, err := json.MarshalIndent(h, "", "  ")
	if err != nil {
		return fmt.Errorf("note how the machine is: %w", err)
	}
	return proc.WriteFile(journal, text, 0o644)
}

func readHost(journal string) (host, error) {
	text, err := os.ReadFile(journal)
	if err != nil {
		return host{}, fmt.Errorf("read the notes on the machine: %w", err)
	}
	var h host
	if err := json.Unmarshal(text, &h); err != nil {
		return host{}, fmt.Errorf("notes on the machine %s: %w", journal, err)
	}
	return h, nil
}

func binfmtUp(emulator string) error {
	if !exists(filepath.Join(binfmtMount, "status")) {
		if err := syscall.Mount("binfmt_misc", binfmtMount, "binfmt_misc", 0, ""); err != nil {
			return fmt.Errorf("mount binfmt_misc, for arm64 programs: %w", err)
		}
	}
	if exists(filepath.Join(binfmtMount, binfmtName)) {
		return nil
	}
	line := ":" + binfmtName + ":M::" + binfmtMagic + ":" + binfmtMask + ":" + emulator + ":" + binfmtFlags
	if err := os.WriteFile(filepath.Join(binfmtMount, "register"), []byte(line), 0o200); err != nil {
		return fmt.Errorf("register the arm64 emulator with the kernel: %w", err)
	}
	return nil
}

// hostDown puts the machine back as the journal says it was.
func hostDown(journal string) error {
	h, err := readHost(journal)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if entry := filepath.Join(binfmtMount, binfmtName); !h.BinfmtRegistered && exists(entry) {
		if err := os.WriteFile(entry, []byte("-1"), 0o200); err != nil {
			return fmt.Errorf("take the arm64 emulator back from the kernel: %w", err)
		}
	}
	if !h.BinfmtMounted && exists(filepath.Join(binfmtMount, "status")) {
		if err := syscall.Unmount(binfmtMount, 0); err != nil {
			return fmt.Errorf("unmount binfmt_misc: %w", err)
		}
	}
	for _, name := range changedSysctls {
		value, ok := h.Sysctls[name]
		if !ok {
			continue
		}
		// Unchanged values are not written: some may be read but not set here.
		if now, err := os.ReadFile(sysctlPath(name)); err == nil && strings.TrimSpace(string(now)) != value {
			if err := os.WriteFile(sysctlPath(name), []byte(value), 0o644); err != nil {
				return fmt.Errorf("put %s back: %w", name, err)
			}
		}
	}
	for _, folder := range h.Absent {
		if err := unmountBelow(folder); err != nil {
			return err
		}
		if err := os.RemoveAll(folder); err != nil {
			return fmt.Errorf("remove what Kubernetes left: %w", err)
		}
	}
	return nil
}

func sysctlPath(name string) string { return filepath.Join("/proc/sys", name) }

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}
