// Bench measures Slipway beside docker buildx and BuildKit's own client on the
// same cluster, in one run, in turn, from inside agent pods, and writes one
// Markdown file and one chart. Its figures decide no test.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"regexp"
	"syscall"
)

func main() {
	var o options
	flag.BoolVar(&o.quick, "quick", false, "small sizes and few runs: shows in minutes that everything works")
	flag.BoolVar(&o.curves, "curves", false, "measure the curves too: how time grows with agents, files, nodes and definitions")
	rows := flag.String("rows", "", "regular expression of the rows and curves to measure, by name; all if empty")
	flag.UintVar(&o.light, "runs", 0, "counted runs of builds that take less than seconds")
	flag.UintVar(&o.heavy, "heavy", 0, "counted runs of builds that move much, or are many")
	flag.UintVar(&o.cold, "cold", 0, "counted cold starts")
	flag.DurationVar(&o.idle, "idle", 0, "how long builders that do nothing are watched first (default: 3m, quick 15s)")
	flag.StringVar(&o.out, "out", "", "directory of the report (default: bench/out/TIME in the e2e module)")
	flag.Parse()
	if flag.NArg() > 0 {
		fmt.Fprintf(os.Stderr, "error: unexpected argument %q\n", flag.Arg(0))
		os.Exit(2)
	}
	var err error
	if o.rows, err = regexp.Compile(*rows); err != nil {
		fmt.Fprintln(os.Stderr, "error: -rows:", err)
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := bench(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}
