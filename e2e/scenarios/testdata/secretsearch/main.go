// Secretsearch looks for words in all that a container can read: files, the environment
// and the memory of its processes, and what slipway agent answers on its socket. It
// prints a line for each place that has one, and how much it has looked at. Its
// arguments are the socket and the words, each in hex with all bits inverted: as they are
// they would be found where scripts are kept.
package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

func main() {
	s, err := newSearch(os.Args[1], os.Args[2:])
	if err != nil {
		fmt.Fprintln(os.Stderr, "secretsearch:", err)
		os.Exit(1)
	}
	s.sockets()
	s.files()
	s.processes()
	fmt.Printf("looked at: answers %d files %d environment %d memory %d\n", s.looked["answer"], s.looked["file"], s.looked["environment"], s.looked["memory"])
}

// search is one search.
type search struct {
	socket string
	words  [][]byte
	// looked counts bytes by kinds of places.
	looked map[string]int64
}

func newSearch(socket string, inverted []string) (*search, error) {
	s := &search{socket: socket, looked: map[string]int64{}}
	for _, text := range inverted {
		word, err := hex.DecodeString(text)
		if err != nil || len(word) < 8 {
			return nil, fmt.Errorf("no word: %q, %w", text, err)
		}
		s.words = append(s.words, word)
	}
	return s, nil
}

// look looks for the words in a text. The words are inverted, and so is the text.
func (s *search) look(kind, place string, text []byte) {
	s.looked[kind] += int64(len(text))
	for i := range text {
		text[i] = ^text[i]
	}
	for i, word := range s.words {
		if bytes.Contains(text, word) {
			fmt.Printf("word %d in %s %s\n", i, kind, place)
		}
	}
}

// sockets asks all that the agent's API has.
func (s *search) sockets() {
	client := &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", s.socket)
	}}}
	for _, path := range []string{"/v1/status", "/healthz", "/readyz", "/metrics", "/debug/pprof/heap", "/debug/pprof/goroutine?debug=2", "/debug/pprof/cmdline"} {
		answer, err := client.Get("http://agent" + path)
		if err != nil {
			fmt.Fprintln(os.Stderr, "secretsearch:", err)
			continue
		}
		text, _ := io.ReadAll(answer.Body)
		_ = answer.Body.Close()
		s.look("answer", path, text)
	}
}

func (s *search) files() {
	_ = filepath.WalkDir("/", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return nil // what cannot be read is kept from the job
		}
		if path == "/proc" || path == "/sys" || path == "/dev" {
			return fs.SkipDir
		}
		if d.Type().IsRegular() {
			if text, err := os.ReadFile(path); err == nil {
				s.look("file", path, text)
			}
		}
		return nil
	})
}

func (s *search) processes() {
	all, _ := filepath.Glob("/proc/[0-9]*")
	for _, dir := range all {
		if dir == "/proc/"+strconv.Itoa(os.Getpid()) {
			continue
		}
		for _, name := range []string{"environ", "cmdline"} {
			if text, err := os.ReadFile(dir + "/" + name); err == nil {
				s.look("environment", dir+"/"+name, text)
			}
		}
		s.memory(dir)
	}
}

// memory looks at what a process can write, a part at a time.
func (s *search) memory(dir string) {
	maps, err := os.Open(dir + "/maps")
	if err != nil {
		return
	}
	defer func() { _ = maps.Close() }()
	memory, err := os.Open(dir + "/mem")
	if err != nil {
		return
	}
	defer func() { _ = memory.Close() }()
	const part, overlap = 4 << 20, 4 << 10
	for lines := bufio.NewScanner(maps); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		from, to, ok := strings.Cut(fields[0], "-")
		begin, err1 := strconv.ParseInt(from, 16, 64)
		end, err2 := strconv.ParseInt(to, 16, 64)
		if !ok || err1 != nil || err2 != nil || !strings.HasPrefix(fields[1], "rw") {
			continue
		}
		for at := begin; at < end; at += part - overlap {
			text := make([]byte, min(part, end-at))
			n, _ := memory.ReadAt(text, at)
			s.look("memory", dir+" at "+strconv.FormatInt(at, 16), text[:n])
		}
	}
}
