// Package proc starts daemons that outlive the testbed program and ends them
// again, by identities that the daemons themselves wrote down.
package proc

import (
	"fmt"
	"os"
	"strconv"
	"strings"
)

// ID names one process for good: a pid alone is reused, a pid together with
// the time at which it started is not.
type ID struct {
	PID   int    `json:"pid"`
	Start uint64 `json:"start"` // clock ticks since boot
	Boot  string `json:"boot"`  // the boot that the ticks count from
}

// Of reads the identity of the process that has this pid now.
func Of(pid int) (ID, error) {
	boot, err := bootID()
	if err != nil {
		return ID{}, err
	}
	stat, err := readStat(pid)
	if err != nil {
		return ID{}, err
	}
	return ID{PID: pid, Start: stat.start, Boot: boot}, nil
}

// Alive tells whether this very process still runs. A zombie does not, once its
// other threads have ended: until then its ports and files are open.
func (id ID) Alive() bool {
	if id.PID <= 0 {
		return false
	}
	boot, err := bootID()
	if err != nil || boot != id.Boot {
		return false
	}
	stat, err := readStat(id.PID)
	if err != nil || stat.start != id.Start || stat.state == 'X' {
		return false
	}
	if stat.state == 'Z' {
		threads, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", id.PID))
		return err == nil && len(threads) > 1
	}
	return true
}

type stat struct {
	state byte
	start uint64
}

func readStat(pid int) (stat, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return stat{}, fmt.Errorf("read the state of process %d: %w", pid, err)
	}
	return parseStat(string(text))
}

// parseStat reads the third and the 22nd field of /proc/PID/stat. The second,
// the program's name, stands in parentheses and may hold spaces and
// parentheses itself, so the fields are counted from the last closing one.
func parseStat(text string) (stat, error) {
	end := strings.LastIndexByte(text, ')')
	if end < 0 {
		return stat{}, fmt.Errorf("process state %q has no program name", text)
	}
	fields := strings.Fields(text[end+1:])
	const state, start = 0, 19 // of what follows the name, counted from zero
	if len(fields) <= start {
		return stat{}, fmt.Errorf("process state %q has too few fields", text)
	}
	ticks, err := strconv.ParseUint(fields[start], 10, 64)
	if err != nil {
		return stat{}, fmt.Errorf("process state %q: start time: %w", text, err)
	}
	return stat{state: fields[state][0], start: ticks}, nil
}

func bootID() (string, error) {
	text, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return "", fmt.Errorf("read this boot's id: %w", err)
	}
	return strings.TrimSpace(string(text)), nil
}
