package fault

// Add keeps a mistake; nil is none.
func (e *UsageList) Add(err *Usage) {
	if err != nil {
		*e = append(*e, err)
	}
}

// Err is the list as an error; nil when it is empty.
func (e UsageList) Err() error {
	if len(e) == 0 {
		return nil
	}
	return e
}
