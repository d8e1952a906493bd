package scenarios

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/slipway-build/slipway/e2e/testbed/state"
)

// localUser is who the ordinary user of the scenarios of local builders is. Files of
// /etc name it in the mount namespace of its commands only.
const localUser = 65123

// laptop is this machine as that of a user without a cluster.
type laptop struct {
	t    *testing.T
	dir  string
	user bool // an ordinary one, else root
}

func newLaptop(t *testing.T, user bool) *laptop {
	t.Helper()
	bed, err := state.Load()
	if err != nil {
		t.Fatal(err)
	}
	slipway := os.Getenv(otherBinary)
	if slipway == "" {
		if slipway, err = product(); err != nil {
			t.Fatal(err)
		}
	}
	dir, err := os.MkdirTemp("", "laptop") // a test's own directory is not for other users
	if err != nil {
		t.Fatal(err)
	}
	l := &laptop{t: t, dir: dir, user: user}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	rootless := filepath.Join(filepath.Dir(bed.BinDir), "debian", "rootless")
	for name, file := range map[string]string{
		"slipway":     slipway,
		"buildkitd":   filepath.Join(bed.BinDir, "buildkitd"),
		"runc":        filepath.Join(bed.BinDir, "runc"),
		"pause":       filepath.Join(bed.BinDir, "pause"),
		"rootlesskit": filepath.Join(rootless, "rootlesskit"),
		"newuidmap":   filepath.Join(rootless, "newuidmap"),
		"newgidmap":   filepath.Join(rootless, "newgidmap"),
	} {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		mode := os.FileMode(0o755)
		if strings.HasPrefix(name, "new") {
			mode |= os.ModeSetuid
		}
		l.write("bin/"+name, string(data), mode)
	}
	passwd, err := os.ReadFile("/etc/passwd")
	if err != nil {
		t.Fatal(err)
	}
	l.write("passwd", fmt.Sprintf("%s\nlaptop:x:%d:%d::%s/home:/bin/sh\n", strings.TrimSpace(string(passwd)), localUser, localUser, dir), 0o644)
	l.write("subid", "laptop:300000:65536\n", 0o644)
	l.write("work/Dockerfile", "FROM scratch\nCOPY Dockerfile /\n", 0o644)
	l.write("home/.keep", "", 0o644)
	if user {
		for _, path := range []string{"work", "home"} {
			if err := os.Chown(filepath.Join(dir, path), localUser, localUser); err != nil {
				t.Fatal(err)
			}
		}
	}
	return l
}

func (l *laptop) write(name, content string, mode os.FileMode) {
	l.t.Helper()
	path := filepath.Join(l.dir, name)
	for _, err := range []error{os.MkdirAll(filepath.Dir(path), 0o755), os.Chmod(l.dir, 0o755), os.WriteFile(path, []byte(content), mode.Perm()), os.Chmod(path, mode)} {
		if err != nil {
			l.t.Fatal(err)
		}
	}
}

// command is a command of the shell in the user's environment.
func (l *laptop) command(command string) *exec.Cmd {
	cmd := exec.Command("sh", "-ec", command)
	if l.user {
		cmd = exec.Command("unshare", "--mount", "sh", "-ec",
			"mount --bind $1/passwd /etc/passwd; mount --bind $1/subid /etc/subuid; mount --bind $1/subid /etc/subgid; "+
				fmt.Sprintf("exec setpriv --reuid %[1]d --regid %[1]d --clear-groups ", localUser)+`sh -ec "$2"`, "sh", l.dir, command)
	}
	cmd.Dir = filepath.Join(l.dir, "work")
	cmd.Env = []string{"HOME=" + l.dir + "/home", "PATH=" + l.dir + "/bin:/usr/bin:/bin:/usr/sbin:/sbin"}
	return cmd
}

// run returns what a command has said and its exit code.
func (l *laptop) run(command string) (said string, code int) {
	l.t.Helper()
	out, err := l.command(command).CombinedOutput()
	if failed := (*exec.ExitError)(nil); errors.As(err, &failed) {
		return string(out), failed.ExitCode()
	} else if err != nil {
		l.t.Fatal(err)
	}
	return string(out), 0
}

func (l *laptop) ok(command string) string {
	l.t.Helper()
	said, code := l.run(command)
	if code != 0 {
		l.t.Fatalf("%s: exit code %d\n%s", command, code, said)
	}
	return said
}

// processes are those of this machine that have a word in their command line.
func processes(word string) map[int]string {
	found := map[int]string{}
	files, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, file := range files {
		line, err := os.ReadFile(file)
		if err != nil || !bytes.Contains(line, []byte(word)) {
			continue
		}
		if pid, err := strconv.Atoi(filepath.Base(filepath.Dir(file))); err == nil {
			found[pid] = strings.ReplaceAll(string(line), "\x00", " ")
		}
	}
	return found
}

// gone fails unless no process of the laptop's directory is left.
func (l *laptop) gone() {
	l.t.Helper()
	if left := processes(l.dir); len(left) > 0 {
		l.t.Errorf("left: %v", left)
	}
}

// bothUsers runs a scenario for the two kinds of them.
func bothUsers(t *testing.T, scenario func(t *testing.T, l *laptop)) {
	t.Helper()
	for name, user := range map[string]bool{"root": false, "an ordinary user": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newLaptop(t, user)
			if said, code := l.run("slipway build -o out ."); code != 0 {
				// The kernel may not let users make namespaces: that is to be said.
				if !user || code != 3 || !regexp.MustCompile(`hint: .*(sysctl|allowPrivilegeEscalation|/etc/subuid)`).MatchString(said) {
					t.Fatalf("the first build: exit code %d\n%s", code, said)
				}
				t.Logf("this machine does not let users build, and it was said why:\n%s", said)
				return
			}
			scenario(t, l)
			l.gone()
		})
	}
}

// TestTheCommandsOfTheLocalPage runs every command of docs/local.md, in its order.
func TestTheCommandsOfTheLocalPage(t *testing.T) {
	t.Parallel()
	page := readFile(t, "../docs/local.md")
	bothUsers(t, func(t *testing.T, l *laptop) {
		ran := 0
		for _, block := range regexp.MustCompile("(?s)```sh\n(.*?)```").FindAllStringSubmatch(page, -1) {
			for command := range strings.Lines(block[1]) {
				l.ok(command)
				ran++
			}
		}
		if ran < 10 {
			t.Errorf("the page has %d commands only", ran)
		}
		want(t, "files", l.ok("ls"), "Dockerfile\napp.tar\nout\n")
		if said := l.ok("slipway build -o out ."); !strings.Contains(said, "INF no builder is defined: using "+l.dir+"/bin/buildkitd on this machine") || !strings.Contains(said, "CACHED") {
			t.Errorf("the next build:\n%s", said)
		}
	})
}

// TestLocalBuildkitdIsSharedAndKilled has two builds at once on one directory, kills
// the buildkitd below one of them, and a build below its buildkitd.
func TestLocalBuildkitdIsSharedAndKilled(t *testing.T) {
	t.Parallel()
	bothUsers(t, func(t *testing.T, l *laptop) {
		l.ok("mkdir long; cp ../bin/pause long/step-of-" + filepath.Base(l.dir))
		step := "step-of-" + filepath.Base(l.dir)
		// The program ends by a signal only.
		l.ok(fmt.Sprintf(`printf 'FROM scratch\nCOPY %[1]s /\nARG AGAIN\nRUN ["/%[1]s"]\n' > long/Dockerfile`, step))
		killSteps := func() {
			for pid, line := range processes(step) {
				if strings.HasPrefix(line, "/"+step) {
					_ = syscall.Kill(pid, syscall.SIGKILL) // it may have ended
				}
			}
		}
		t.Cleanup(killSteps)
		var said bytes.Buffer
		begin := func(again string) *exec.Cmd {
			said.Reset()
			cmd := l.command("exec slipway build --build-arg AGAIN=" + again + " long")
			cmd.Stdout, cmd.Stderr = &said, &said
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			l.eventually("the step runs", func() bool {
				for _, line := range processes(step) {
					if strings.HasPrefix(line, "/"+step) {
						return true
					}
				}
				return false
			})
			return cmd
		}
		daemon := func() int {
			for pid, line := range processes(l.dir) {
				if strings.HasPrefix(line, l.dir+"/bin/buildkitd --addr=") {
					return pid
				}
			}
			return 0
		}

		long := begin("1")
		first := daemon()
		l.ok("slipway build -o out .")
		if now := daemon(); first == 0 || now != first {
			t.Errorf("buildkitd was %d, and is %d after the second build", first, now)
		}
		if status := l.ok("slipway ls"); !regexp.MustCompile(`buildkitd.sock +running +1/1`).MatchString(status) {
			t.Errorf("during a build:\n%s", status)
		}
		if err := syscall.Kill(first, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		hung := time.AfterFunc(30*time.Second, func() { _ = long.Process.Kill() }) // it may build again, for ever
		err := long.Wait()
		hung.Stop()
		if failed := (*exec.ExitError)(nil); !errors.As(err, &failed) || failed.ExitCode() != 4 {
			t.Errorf("a build without its buildkitd: %v", err)
		}
		for _, words := range []string{"error: node local: buildkitd has ended in the middle of the build (", "; its last lines: ", "hint: all it has said is in " + l.dir + "/home/.cache/slipway/local/local/buildkitd.log"} {
			if !strings.Contains(said.String(), words) {
				t.Errorf("the error has not %q:\n%s", words, said.String())
			}
		}
		if took := time.Since(began); took > 10*time.Second {
			t.Errorf("it took %s to say so", took)
		}
		killSteps()
		l.eventually("rootlesskit ends", func() bool { return len(processes(l.dir)) == 0 })

		// What is left behind is no obstacle.
		l.ok("slipway build -o out .")
		l.gone()

		// A build that is killed leaves its buildkitd to the next one.
		long = begin("2")
		if err := long.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = long.Wait() // killed
		second := daemon()
		if second == 0 {
			t.Error("buildkitd has ended with the build that was killed")
		}
		l.ok("slipway build -o out .")
		l.eventually("all ends", func() bool { return len(processes(l.dir)) == 0 })
		if status := l.ok("slipway ls"); !regexp.MustCompile(`buildkitd.sock +stopped +0/1`).MatchString(status) {
			t.Errorf("after the builds:\n%s", status)
		}
	})
}

// eventually waits for something to become true.
func (l *laptop) eventually(what string, is func() bool) {
	l.t.Helper()
	for deadline := time.Now().Add(time.Minute); !is(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			l.t.Fatal(what + ": it does not happen")
		}
	}
}
