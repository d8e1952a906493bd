// Tree makes a directory of files whose names, sizes and bytes follow from a
// seed, as a fresh clone does: the same contents wherever it is made, with
// times of now. It stands for a repository that no pod has to fetch.
//
//	tree -dir DIR -files N -bytes TOTAL -seed SEED
package main

import (
	"flag"
	"fmt"
	"os"
)

func main() {
	dir := flag.String("dir", "", "directory to make; nothing may be there")
	files := flag.Int("files", 1, "number of files")
	bytes := flag.Int64("bytes", 1, "size of all files together")
	seed := flag.Uint64("seed", 0, "what the contents follow from")
	flag.Parse()
	if err := grow(*dir, *files, *bytes, *seed); err != nil {
		fmt.Fprintln(os.Stderr, "tree:", err)
		os.Exit(1)
	}
}
