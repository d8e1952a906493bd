package scenarios

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/slipway-build/slipway/e2e/registrytest"
)

// clientsProg holds many connections to a socket.
var clientsProg = program("..", "./faults/manyclients")

// TestFaultSidecarConnections tests that nothing is left in the sidecar of 200 connections
// over which was asked for two minutes: neither files nor memory.
func TestFaultSidecarConnections(t *testing.T) {
	long(t)
	t.Parallel()
	f := plant(t, "sidecar", "200 connections for two minutes")
	b := bed(t)
	s := newSpace(t, "slipway-build", "slipway-manage")
	files, err := registrytest.BuilderFiles(b.TokenRegistry)
	if err != nil {
		t.Fatal(err)
	}
	amd64 := s.builderNode("amd64")
	amd64.Files = files
	s.define(amd64)
	s.kubectl("", "create", "secret", "generic", "registry", "--from-literal=REGISTRY="+b.TokenRegistry.Address,
		"--from-literal=REGISTRY_USERNAME="+b.TokenRegistry.Username, "--from-literal=REGISTRY_PASSWORD="+b.TokenRegistry.Password)
	command := "sleep, infinity"
	if b.Images.PodShell != "" {
		command = b.Images.PodShell
	}
	manifest := fmt.Sprintf(sidecarPod, b.Images.Agent, b.TokenRegistry.Address, s.Name, command)
	a := s.startAgentFrom("job", s.withSidecarUnderTest(manifest))
	a.until("the builder", "slipway agent health --ready")
	file, err := clientsProg()
	if err != nil {
		t.Fatal(err)
	}
	program, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	a.write("/tmp/manyclients", string(program))
	a.ok("chmod 755 /tmp/manyclients")
	const socket = "/run/slipway/kube/builder-amd64.sock"
	hold := func(duration string) {
		if r := f.run(a, "/tmp/manyclients "+socket+" 200 "+duration); r.code != 0 {
			t.Errorf("exit %d: %s%s", r.code, r.stdout, r.stderr)
		}
	}
	hold("25s") // what is made once
	before := s.sidecarUse(t)
	if before.memory < 10<<10 {
		t.Fatalf("%+v is not that of slipway", before)
	}
	hold("2m")
	var after sidecarUse
	for end := time.Now().Add(patience); ; time.Sleep(time.Second) {
		if after = s.sidecarUse(t); after.files <= before.files && after.memory <= before.memory+20<<10 || time.Now().After(end) {
			break
		}
	}
	f.held(leak, after.files <= before.files, "%d open files before, %d after", before.files, after.files)
	f.held(leak, after.memory <= before.memory+20<<10, "%d KiB before, %d after", before.memory, after.memory)
	t.Logf("before %+v, after %+v", before, after)
	f.survived(f.run(a, "slipway ls"))
}

// sidecarUse is what the process of a sidecar holds.
type sidecarUse struct{ files, memory int } // memory in KiB

func (s *space) sidecarUse(t *testing.T) sidecarUse {
	t.Helper()
	text := s.kubectl("", "exec", "job", "-c", "slipway", "--", "sh", "-c", "ls /proc/1/fd | wc -l; awk '/^VmRSS/ {print $2}' /proc/1/status")
	var use sidecarUse
	fields := strings.Fields(text)
	if len(fields) != 2 {
		t.Fatalf("the sidecar's use: %q", text)
	}
	var err error
	if use.files, err = strconv.Atoi(fields[0]); err == nil {
		use.memory, err = strconv.Atoi(fields[1])
	}
	if err != nil {
		t.Fatal(err)
	}
	return use
}

// withSidecarUnderTest returns the manifest of sidecarPod with a sidecar that runs the
// program of SLIPWAY_UNDER_TEST, which it is given while its container waits for it: the
// job's container, where others are replaced, starts after the sidecar.
func (s *space) withSidecarUnderTest(manifest string) string {
	s.t.Helper()
	path := os.Getenv(otherBinary)
	if path == "" {
		return manifest
	}
	const asIs = "command: [slipway, agent, serve"
	if !strings.Contains(manifest, asIs) {
		s.t.Fatalf("the manifest has no %q", asIs)
	}
	program, err := os.ReadFile(path)
	if err != nil {
		s.t.Fatal(err)
	}
	// Standard input may be cut off on a busy machine.
	put := fmt.Sprintf("cat > /tmp/new && test $(wc -c < /tmp/new) -eq %d && chmod 755 /tmp/new && mv /tmp/new /tmp/slipway", len(program))
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			exec := s.Command(ctx, "exec", "-i", "job", "-c", "slipway", "--", "sh", "-c", put)
			exec.Stdin = bytes.NewReader(program)
			if exec.Run() == nil {
				return
			}
			time.Sleep(time.Second) // the container has not started
		}
	}()
	s.t.Cleanup(func() {
		cancel()
		<-done
	})
	return strings.ReplaceAll(manifest, asIs, `command: [sh, -c, 'until test -x /tmp/slipway; do sleep 0.2; done; exec /tmp/slipway "$@"', slipway, agent, serve`)
}
