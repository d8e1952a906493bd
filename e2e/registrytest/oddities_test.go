package registrytest

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/slipway-build/slipway/e2e/registrytest/internal/inprocess"
	"github.com/slipway-build/slipway/e2e/registrytest/proxy"
	"github.com/slipway-build/slipway/e2e/testbed/state"
)

// product builds the program that is tested, once.
var product = sync.OnceValues(func() (string, error) {
	folder, err := os.MkdirTemp("", "oddities-")
	if err != nil {
		return "", err
	}
	file := filepath.Join(folder, "slipway")
	build := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-o", file, "./cmd/slipway")
	build.Dir = filepath.Join("..", "..")
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOWORK=off", "GOFLAGS=")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build slipway: %w:\n%s", err, out)
	}
	return file, nil
})

func TestMain(m *testing.M) {
	code := m.Run()
	if file, err := product(); err == nil {
		_ = os.RemoveAll(filepath.Dir(file)) // a leftover in the temporary directory
	}
	os.Exit(code)
}

// customer runs the program against one registry, with nothing else around.
type customer struct {
	t        *testing.T
	program  string
	registry state.Registry
	home     string
}

func newCustomer(t *testing.T, r state.Registry) *customer {
	t.Helper()
	program, err := product()
	if err != nil {
		t.Fatal(err)
	}
	home := t.TempDir()
	// The registry is on this machine and speaks TLS all the same.
	ca, err := os.ReadFile(r.CA)
	certs := filepath.Join(home, ".config", "docker", "certs.d", r.Address)
	if err == nil {
		err = os.MkdirAll(certs, 0o755)
	}
	if err == nil {
		err = os.WriteFile(filepath.Join(certs, "ca.crt"), ca, 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
	return &customer{t, program, r, home}
}

// slipway runs a command and returns what it printed and its exit code.
func (c *customer) slipway(args ...string) (string, int) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), 2*time.Minute)
	defer cancel()
	command := exec.CommandContext(ctx, c.program, args...)
	command.Dir = c.home
	command.Env = []string{
		"HOME=" + c.home, "PATH=/nowhere",
		"SLIPWAY_REGISTRY_HOST=" + c.registry.Address,
		"SLIPWAY_REGISTRY_USERNAME=" + c.registry.Username,
		"SLIPWAY_REGISTRY_PASSWORD=" + c.registry.Password,
	}
	var out bytes.Buffer
	command.Stdout, command.Stderr = &out, &out
	err := command.Run()
	if command.ProcessState == nil {
		c.t.Fatal(err)
	}
	return out.String(), command.ProcessState.ExitCode()
}

// oddProxy is a proxy before a registry in this process, with an image app:1
// of two platforms in it.
func oddProxy(t *testing.T) *proxy.Proxy {
	t.Helper()
	p, err := proxy.Start(t.Context(), inprocess.Start(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	return p
}

// TestOddities has the program do its work with a registry of every oddity.
func TestOddities(t *testing.T) {
	p := oddProxy(t)
	c := newCustomer(t, p.Registry())
	look, err := New(p.Registry())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(look.Close)
	write(t, look, "source/app:1", indexOf(t, "amd64", "arm64"))
	host := p.Registry().Address
	want, err := look.Digest(t.Context(), "source/app:1")
	if err != nil {
		t.Fatal(err)
	}
	for i, oddity := range append([]proxy.Oddity{{Name: "none"}}, proxy.Oddities()...) {
		t.Run(oddity.Name, func(t *testing.T) {
			c.t = t
			p.Be(oddity)
			defer p.Be(proxy.Oddity{})
			target := fmt.Sprintf("target%d/app", i)
			if oddity.Name == "push only" {
				target += "-" + proxy.PushOnly
			}
			ok := func(args ...string) string {
				t.Helper()
				out, code := c.slipway(args...)
				if code != 0 {
					t.Errorf("slipway %s: exit %d:\n%s", strings.Join(args, " "), code, out)
				}
				return out
			}
			publish := []string{"index", "create", "-t", host + "/" + target + ":1", "-t", host + "/" + target + ":2", host + "/source/app:1"}
			ok(publish...)
			ok(publish...)                 // again, as a pipeline that is run again does
			if oddity.Name == "late tag" { // a pull in time is another's
				p.Be(proxy.Oddity{})
			}
			readable := target
			if oddity.Name == "push only" {
				readable = "source/app"
			}
			if out := ok("index", "inspect", host+"/"+readable+":1"); !strings.Contains(out, want) {
				t.Errorf("inspect does not show %s:\n%s", want, out)
			}
			ok("index", "inspect", "--format", "{{json .Image}}", host+"/"+readable+":1")
			ok("auth", "--check", host+"/"+readable)
			ok("auth", "--check", "--push", host+"/"+target)
			p.Be(proxy.Oddity{})
			for _, tag := range []string{"1", "2"} {
				if got, err := look.Digest(t.Context(), target+":"+tag); err != nil || got != want {
					t.Errorf("%s:%s is %s, %v; want %s", target, tag, got, err, want)
				}
				if err := look.Validate(t.Context(), target+":"+tag); err != nil {
					t.Error(err)
				}
			}
			if strings.HasPrefix(oddity.Name, "immutable") {
				p.Be(oddity)
				// The tag is known as set again with the first attempt.
				ok(publish...)
				out, code := c.slipway("index", "create", "-t", host+"/"+target+":1", "--annotation", "index:a=b", host+"/source/app:1")
				if code != 5 || !strings.Contains(out, "push another tag") || strings.Contains(out, "credential") {
					t.Errorf("another image for an immutable tag: exit %d:\n%s", code, out)
				}
			}
		})
	}
}
