// Timer runs a command several times inside the agent pod, where kubectl's own
// time does not count, and prints one JSON object per run.
//
//	timer [-n RUNS] [-before SCRIPT] -- COMMAND [ARG…]
package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"time"
)

// Run is the measure of one run.
type Run struct {
	WallMS   float64 `json:"wallMs"`
	CPUMS    float64 `json:"cpuMs"`    // user and system, of the command itself
	MaxRSSKB int64   `json:"maxRssKb"` // largest resident size
}

func main() {
	n := flag.Int("n", 1, "runs")
	before := flag.String("before", "", "shell script to run before each run, not counted")
	flag.Parse()
	for range *n {
		if *before != "" {
			if out, err := exec.Command("sh", "-c", *before).CombinedOutput(); err != nil {
				fail("before: %v: %s", err, out)
			}
		}
		cmd := exec.Command(flag.Arg(0), flag.Args()[1:]...)
		var out bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &out
		began := time.Now()
		err := cmd.Run()
		wall := time.Since(began)
		if err != nil {
			fail("%v: %v: %s", flag.Args(), err, out.String())
		}
		usage, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage)
		if !ok {
			fail("no resource usage on this system")
		}
		run := Run{
			WallMS:   float64(wall.Microseconds()) / 1000,
			CPUMS:    float64((cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()).Microseconds()) / 1000,
			MaxRSSKB: usage.Maxrss,
		}
		if err := json.NewEncoder(os.Stdout).Encode(run); err != nil {
			fail("%v", err)
		}
	}
}

func fail(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "timer: "+format+"\n", args...)
	os.Exit(1)
}
