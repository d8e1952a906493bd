// Commands prints what terminals and CI systems would obey in a text, a line
// each; nothing for text that is safe to print. It is for tests of other
// modules.
package main

import (
	"flag"
	"fmt"
	"io"
	"os"

	"github.com/slipway-build/slipway/internal/sanitize/sanitizetest"
)

func main() {
	drawn := flag.Bool("drawn", false, "the text was drawn on a terminal by BuildKit's display")
	flag.Parse()
	text, err := io.ReadAll(os.Stdin)
	if err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
	find := sanitizetest.Commands
	if *drawn {
		find = sanitizetest.Drawn
	}
	for _, command := range find(string(text)) {
		fmt.Printf("%.300q\n", command)
	}
}
