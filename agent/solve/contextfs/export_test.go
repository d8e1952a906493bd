package contextfs

// NewFileError is the error of a file that could not be sent.
func NewFileError(path string, err error) *FileError { return &FileError{path, err} }

// ErrNotText is a name that BuildKit's protocol cannot carry.
var ErrNotText = errNotText
