package output

import "os"

// Written is what has become of one output.
type Written struct {
	// Type is the exporter's name as --output has it; "image" for type=registry.
	Type string
	// Dest is where the result is on the agent, as it was given; "-" is standard
	// output. Empty when it is nowhere there.
	Dest string
	// Names are the names of an image, normalized.
	Names []string
	// Pushed says that the image is in its registry, Loaded that it is in a Docker
	// engine.
	Pushed, Loaded bool
	// Files counts the files of a directory; Bytes is the size of the file, or of
	// all of them. Both are 0 when they are not known.
	Files int
	Bytes int64
}

// Written says what has become of the outputs, in the order in which they were
// given, once Commit has succeeded.
func (s *Set) Written() []Written {
	all := make([]Written, len(s.sinks))
	for i, one := range s.sinks {
		all[i] = one.written()
	}
	return all
}

// amount is how much a transfer was.
type amount struct {
	files int
	bytes int64
}

func (a amount) plus(b amount) amount { return amount{a.files + b.files, a.bytes + b.bytes} }

// fileSize is the size of a file, 0 for a directory and one that is not there.
func fileSize(path string) int64 {
	info, err := os.Stat(path)
	if err != nil || !info.Mode().IsRegular() {
		return 0
	}
	return info.Size()
}
