package cluster

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/slipway-build/slipway/e2e/testbed/internal/proc"
	"github.com/slipway-build/slipway/e2e/testbed/internal/run"
)

const cgroupMount = "/sys/fs/cgroup"

// cgroup is the cgroup of everything that the testbed starts: its daemons in one
// below it, the pods of each node in another. What is in it is the testbed's,
// which is how shims and containers are told from other processes.
// TESTBED_CGROUP puts it elsewhere, such as below a cgroup with limits; a cluster
// that was started has the one that its start noted.
func (c Cluster) cgroup() string {
	if h, err := readHost(c.journal()); err == nil && h.Cgroup != "" {
		return h.Cgroup
	}
	return wantedCgroup()
}

func wantedCgroup() string {
	return cmp.Or(strings.Trim(os.Getenv("TESTBED_CGROUP"), "/"), "slipway-testbed")
}

func (c Cluster) daemonCgroup() string          { return c.cgroup() + "/daemons" }
func (c Cluster) nodeCgroup(name string) string { return c.cgroup() + "/" + name }

// hierarchies are the folders in which a cgroup must be made: one for each
// controller of cgroup v1, or the only one of v2.
func hierarchies() ([]string, error) {
	if _, err := os.Stat(filepath.Join(cgroupMount, "cgroup.controllers")); err == nil {
		return []string{cgroupMount}, nil
	}
	entries, err := os.ReadDir(cgroupMount)
	if err != nil {
		return nil, fmt.Errorf("list the machine's cgroups: %w", err)
	}
	var found []string
	for _, entry := range entries {
		folder := filepath.Join(cgroupMount, entry.Name())
		// Links to joined controllers lead to folders that are listed anyway;
		// the unified hierarchy beside v1 has no controllers.
		if entry.IsDir() && entry.Name() != unified {
			if _, err := os.Stat(filepath.Join(folder, "cgroup.procs")); err == nil {
				found = append(found, folder)
			}
		}
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("no cgroups are mounted below %s\nhint: the testbed needs them, and a machine's init mounts them", cgroupMount)
	}
	return found, nil
}

// unified is the hierarchy without controllers that a machine with cgroup v1
// may have beside them: runc puts its containers there too.
const unified = "unified"

// cgroupsUp makes the cgroups and returns the cgroup.procs files that a daemon
// joins.
func (c Cluster) cgroupsUp() ([]string, error) {
	roots, err := hierarchies()
	if err != nil {
		return nil, err
	}
	whole, daemons := c.cgroup(), c.daemonCgroup()
	var names []string
	for i, char := range whole {
		if char == '/' {
			names = append(names, whole[:i])
		}
	}
	names = append(names, whole, daemons)
	for _, n := range nodes {
		names = append(names, c.nodeCgroup(n.name))
	}
	var procs []string
	for _, root := range roots {
		for _, name := range names {
			if err := makeCgroup(root, name, name != daemons); err != nil {
				return nil, fmt.Errorf("make the cgroup %s: %w", filepath.Join(root, name), err)
			}
		}
		procs = append(procs, filepath.Join(root, daemons, "cgroup.procs"))
	}
	return procs, nil
}

// makeCgroup makes a cgroup; parent tells that it is to have others below it.
func makeCgroup(root, name string, parent bool) error {
	folder := filepath.Join(root, name)
	if err := os.Mkdir(folder, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	// In v1 a new cpuset is empty and takes no process until it is filled.
	for _, file := range []string{"cpuset.cpus", "cpuset.mems"} {
		inherited, err := os.ReadFile(filepath.Join(filepath.Dir(folder), file))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		if text := strings.TrimSpace(string(inherited)); text != "" && filepath.Base(root) == "cpuset" {
			if err := os.WriteFile(filepath.Join(folder, file), []byte(text), 0o644); err != nil {
				return err
			}
		}
	}
	// In v2 a controller must be handed down, except to the group that holds
	// processes itself.
	if root == cgroupMount && parent {
		controllers, err := os.ReadFile(filepath.Join(folder, "cgroup.controllers"))
		if err != nil {
			return err
		}
		for controller := range strings.FieldsSeq(string(controllers)) {
			if err := os.WriteFile(filepath.Join(folder, "cgroup.subtree_control"), []byte("+"+controller), 0o644); err != nil {
				return err
			}
		}
	}
	return nil
}

// cgroupsDown kills whatever is left in the testbed's cgroups and removes them.
func cgroupsDown(ctx context.Context, name string) error {
	roots, err := hierarchies()
	if err != nil {
		return err
	}
	roots = append(roots, filepath.Join(cgroupMount, unified))
	if err := run.Poll(ctx, "the processes in the testbed's cgroups to end", 2*time.Minute, func(ctx context.Context) (bool, string, error) {
		left := 0
		for _, root := range roots {
			n, err := killCgroup(ctx, filepath.Join(root, name))
			if err != nil {
				return false, "", err
			}
			left += n
		}
		return left == 0, fmt.Sprintf("%d processes left", left), nil
	}); err != nil {
		return err
	}
	for _, root := range roots {
		folder := filepath.Join(root, name)
		// The kernel takes a moment to let go of a cgroup whose last process ended.
		// A daemon that a killed start had only just forked may still join it.
		if err := run.Poll(ctx, "the cgroup "+folder+" to go", time.Minute, func(ctx context.Context) (bool, string, error) {
			if _, err := killCgroup(ctx, folder); err != nil {
				return false, "", err
			}
			err := removeCgroup(folder)
			return err == nil, fmt.Sprint(err), nil
		}); err != nil {
			return err
		}
	}
	return nil
}

// killCgroup kills the processes in a cgroup and below it and returns how many
// it met.
func killCgroup(ctx context.Context, folder string) (int, error) {
	met := 0
	for _, group := range cgroupTree(folder) {
		pids, err := cgroupPIDs(group)
		if err != nil {
			return met, err
		}
		for _, pid := range pids {
			id, err := proc.Of(pid)
			if err != nil || !id.Alive() {
				continue // gone, or a zombie that its parent will reap
			}
			// The pid was read before its identity: it counts only if the
			// process that has it now is in the cgroup.
			again, err := cgroupPIDs(group)
			if err != nil {
				return met, err
			}
			if !slices.Contains(again, pid) {
				continue
			}
			met++
			if err := proc.End(ctx, id, 0); err != nil {
				return met, err
			}
		}
	}
	return met, nil
}

func cgroupPIDs(group string) ([]int, error) {
	text, err := os.ReadFile(filepath.Join(group, "cgroup.procs"))
	if errors.Is(err, fs.ErrNotExist) || err != nil && strings.Contains(err.Error(), "no such device") {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list the processes of a cgroup: %w", err)
	}
	var pids []int
	for field := range strings.FieldsSeq(string(text)) {
		pid, err := strconv.Atoi(field)
		if err != nil {
			return nil, fmt.Errorf("processes of the cgroup %s: %w", group, err)
		}
		if pid > 0 { // 0 stands for a process of another pid namespace
			pids = append(pids, pid)
		}
	}
	return pids, nil
}

// cgroupTree lists a cgroup and those below it, the deepest first.
func cgroupTree(folder string) []string {
	var groups []string
	// A cgroup that goes while it is walked is as good as one that went before.
	_ = filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return fs.SkipDir
		}
		if d.IsDir() {
			groups = append(groups, path)
		}
		return nil
	})
	slices.Reverse(groups)
	return groups
}

func removeCgroup(folder string) error {
	var failed error
	for _, group := range cgroupTree(folder) {
		if err := os.Remove(group); err != nil && !errors.Is(err, fs.ErrNotExist) {
			failed = errors.Join(failed, err)
		}
	}
	return failed
}
