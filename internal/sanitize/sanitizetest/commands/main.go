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
	system := flag.String("system", "", "the text is the log of a build in the form for this CI system")
	drawn := flag.Bool("drawn", false, "the text was drawn on a terminal by BuildKit's display")
	flag.Parse()
	text, err := io.ReadAll(os.Stdin)
	if err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
	find := sanitizetest.Commands
	switch {
	case *drawn:
		find = sanitizetest.Drawn
	case *system != "":
		find = func(text string) []string { return sanitizetest.CommandsBeside(*system, text) }
	}
	for _, command := range find(string(text)) {
		fmt.Printf("%.300q\n", command)
	}
}
