// Timer runs a command inside the agent pod, where kubectl's own time does not
// count, and prints one sample.Round as JSON.
//
//	timer [-before SCRIPT] [-check SCRIPT] [-env NAME=VALUE]… [-at-once N] [-timeout D] -- COMMAND [ARG…]
//
// With -at-once it starts the command N times at the same moment. {n} in the
// arguments, the variables and the check stands for the number of the process,
// from 1.
//
// It stays small: a process that is started counts its parent's resident size
// as its own peak until it has grown past it.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"time"
)

func main() {
	var spec spec
	flag.StringVar(&spec.before, "before", "", "shell script to run first, not counted")
	flag.StringVar(&spec.check, "check", "", "shell script that must succeed after each process, not counted")
	flag.Func("env", "variable NAME=VALUE of the command", func(v string) error {
		spec.env = append(spec.env, v)
		return nil
	})
	flag.IntVar(&spec.atOnce, "at-once", 1, "processes to start at once")
	flag.DurationVar(&spec.timeout, "timeout", 5*time.Minute, "end a process that runs longer")
	flag.Parse()
	spec.command = flag.Args()
	if len(spec.command) == 0 {
		fail("no command")
	}
	if out, err := exec.Command("sh", "-c", spec.before).CombinedOutput(); err != nil {
		fail("before: %v: %s", err, lastWords(out))
	}
	if err := json.NewEncoder(os.Stdout).Encode(spec.run()); err != nil {
		fail("%v", err)
	}
}

func fail(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "timer: "+format+"\n", args...)
	os.Exit(1)
}
