package fault

// Take returns what one of several things comes to, such as a flag, and collects
// its mistake.
func Take[T any](all *List, parse func() (T, error)) T {
	value, err := parse()
	if err != nil {
		*all = append(*all, err)
	}
	return value
}

// Each returns what the values of a list come to, and collects their mistakes.
// An empty value is none, as with docker buildx: pipelines pass variables that may
// be empty.
func Each[T any](all *List, values []string, parse func(string) (T, error)) []T {
	var out []T
	for _, v := range values {
		if v == "" {
			continue
		}
		out = append(out, Take(all, func() (T, error) { return parse(v) }))
	}
	return out
}
