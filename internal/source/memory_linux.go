package source

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// inMemory returns a file without a name that holds data and lies on no disk.
func inMemory(data []byte) (*os.File, error) {
	fd, err := unix.MemfdCreate("slipway", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, err
	}
	file := os.NewFile(uintptr(fd), "memory")
	if _, err := file.Write(data); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return file, nil
}
