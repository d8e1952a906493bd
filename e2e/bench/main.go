// Bench measures Slipway beside docker buildx on the same cluster, in one run,
// interleaved, from inside an agent pod, and prints a Markdown table. Its
// figures decide no test.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"regexp"
)

func main() {
	runs := flag.Int("runs", 10, "counted runs of each warm command")
	cold := flag.Int("cold", 3, "counted cold starts of each tool")
	rows := flag.String("rows", "", "regular expression of the rows to measure; all if empty")
	flag.Parse()
	wanted, err := regexp.Compile(*rows)
	if err != nil {
		fmt.Fprintln(os.Stderr, "error: -rows:", err)
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := bench(ctx, *runs, *cold, wanted); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}
