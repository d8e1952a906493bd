package main

import (
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
)

// perDirectory is how many files a directory holds at most.
const perDirectory = 100

// grow makes the tree. The sizes spread evenly between half and one and a half
// of the mean, so that they add up to about total, and the bytes do not
// compress. One stream of random bytes serves all files: it is the fastest that
// is the same on every machine.
func grow(dir string, files int, total int64, seed uint64) error {
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	var key [32]byte
	binary.LittleEndian.PutUint64(key[:], seed)
	source := rand.NewChaCha8(key)
	sizes := rand.New(rand.NewPCG(seed, 1))
	mean := max(total/int64(files), 1)
	buffer := make([]byte, 1<<20)
	for i := range files {
		size := mean
		if files > 1 {
			size = mean/2 + sizes.Int64N(mean+1)
		}
		folder := filepath.Join(dir, fmt.Sprintf("d%04d", i/perDirectory))
		if i%perDirectory == 0 {
			if err := os.Mkdir(folder, 0o755); err != nil {
				return err
			}
		}
		if err := write(filepath.Join(folder, fmt.Sprintf("f%06d", i)), size, source, buffer); err != nil {
			return err
		}
	}
	return nil
}

func write(path string, size int64, source io.Reader, buffer []byte) error {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	for size > 0 && err == nil {
		part := buffer[:min(size, int64(len(buffer)))]
		if _, err = io.ReadFull(source, part); err == nil {
			_, err = file.Write(part)
		}
		size -= int64(len(part))
	}
	if closeErr := file.Close(); err == nil {
		err = closeErr
	}
	return err
}
