// Package yardstick says how slow this machine is, so that what waits for a
// state of the cluster waits as long as the machine needs.
package yardstick

import (
	"crypto/sha256"
	"fmt"
	"math"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Variable overrides the measured factor.
const Variable = "TESTBED_SLOWER"

// reference is how long the known step takes on the machine whose waits the
// tests name: two cores of 2026, otherwise idle.
const reference = 400 * time.Millisecond

// most bounds the factor: a machine that is slower needs a look, not patience.
const most = 10

// Factor is by how much this machine, as it is now, is slower than the one that
// the tests' waits were chosen on; 1 for one that is not. It is measured once
// in a process, unless TESTBED_SLOWER names it.
var Factor = sync.OnceValue(func() float64 {
	if text := os.Getenv(Variable); text != "" {
		named, err := strconv.ParseFloat(text, 64)
		if err != nil || named < 1 {
			panic(fmt.Sprintf("%s=%q is not a factor of 1 or more", Variable, text))
		}
		return named
	}
	return factor(step(), reference)
})

// Scale makes a wait that was chosen on the reference machine as long as this
// machine needs.
func Scale(d time.Duration) time.Duration {
	return time.Duration(float64(d) * Factor()).Round(time.Second)
}

func factor(took, reference time.Duration) float64 {
	return min(max(float64(took)/float64(reference), 1), most)
}

// step does on every core what the testbed does most, starting small processes
// and hashing, and returns how long it took. It is long enough to meet the
// limits of a cgroup, which hold for periods of a tenth of a second.
func step() time.Duration {
	began := time.Now()
	var running sync.WaitGroup
	for range runtime.NumCPU() {
		running.Go(func() {
			block := make([]byte, 1<<20)
			for range 150 {
				_ = exec.Command("true").Run() // a machine without it is measured by the rest
				sha256.Sum256(block)
			}
		})
	}
	running.Wait()
	return time.Since(began)
}

// AtOnce is how many scenarios run at once on a machine of so many cores that is
// slower by a factor, with so much memory available, in bytes. Most of a
// scenario is waiting, so there is room for several on a core; a machine that is
// slow gets fewer, so that none of them waits for the others.
func AtOnce(cores int, slower float64, available uint64) int {
	const (
		onCore = 4
		memory = 1 << 30 // of one scenario with its builders
	)
	// A part of the waiting is for programs, which a slow machine makes longer.
	n := int(onCore*float64(cores)/math.Sqrt(slower) + 0.5)
	return max(1, min(n, int(available/memory)))
}

// Available is the memory that this machine can still give, in bytes.
func Available() (uint64, error) {
	text, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return 0, fmt.Errorf("read the available memory: %w", err)
	}
	for line := range strings.Lines(string(text)) {
		var kib uint64
		if _, err := fmt.Sscanf(line, "MemAvailable: %d kB", &kib); err == nil {
			return kib << 10, nil
		}
	}
	return 0, fmt.Errorf("/proc/meminfo names no available memory")
}
