package scenarios

import (
	"strings"
	"testing"
)

// slowDockerfile has a step per architecture whose result is worth a cache.
const slowDockerfile = machineDockerfile + "RUN head -c 8 /dev/urandom | od -An -tx1 > /drawn.txt\n"

// TestCacheOfBothNodes writes a cache from both nodes and reads it with
// builders that have none of their own.
func TestCacheOfBothNodes(t *testing.T) {
	t.Parallel()
	b := bed(t)
	s := newShop(t, b.Images.Agent, b.Registry)
	s.write("Dockerfile", slowDockerfile)
	drawn := func() string { return s.ok("cat out/linux_amd64/drawn.txt out/linux_arm64/drawn.txt") }
	build := func(flags string) { s.ok("rm -rf out && slipway build " + both + s.from() + flags + " -o out .") }
	// Builders that have forgotten everything are like new ones, and sooner there.
	forget := func() { s.ok("slipway prune --all --force >&2") }

	build("--cache-to type=registry,mode=max,ref=" + s.tag("cache") + " --cache-to type=local,mode=max,dest=kept")
	first := drawn()
	tags, err := s.images.Tags(t.Context(), s.Name)
	if err != nil {
		t.Fatal(err)
	}
	want(t, "tags of the cache", strings.Join(tags, " "), "cache-linux-amd64 cache-linux-arm64")
	want(t, "directories of the cache", s.ok("ls kept"), "linux_amd64\nlinux_arm64\n")

	// Without a cache, what was drawn is drawn anew.
	forget()
	build("")
	if drawn() == first {
		t.Fatal("builders have their cache after slipway prune --all")
	}

	// From the registry.
	forget()
	build("--cache-from type=registry,ref=" + s.tag("cache"))
	want(t, "the result of empty builders with the registry's cache", drawn(), first)

	// From the agent's disk.
	forget()
	build("--cache-from type=local,src=kept")
	want(t, "the result of empty builders with the cache on disk", drawn(), first)

	// One platform uses what two nodes have written.
	forget()
	s.ok("rm -rf out && slipway build --platform linux/arm64 " + s.from() + "--cache-from " + s.tag("cache") + "-linux-arm64 -o out .")
	if got := s.ok("cat out/drawn.txt"); !strings.HasSuffix(first, got) {
		t.Errorf("one platform has drawn %q anew, the cache has %q", got, first)
	}

	// A cache that does not exist is no reason to fail.
	s.write("Dockerfile", slowDockerfile+"RUN echo more\n")
	build("--cache-from type=registry,ref=" + s.tag("never-was") + " --cache-from type=local,src=nowhere")
	s.ok("test ! -e nowhere")

	// Inline: the image itself carries its cache.
	s.ok("slipway build " + both + s.from() + "--cache-to type=inline -t " + s.tag("inline") + " --push .")
	build("")
	first = drawn()
	forget()
	build("--cache-from " + s.tag("inline"))
	want(t, "the result with an inline cache", drawn(), first)
}
