package sourcetest

// Env returns the lookup of an environment that has these variables: name,
// value, name, value.
func Env(pairs ...string) func(name string) (value string, ok bool) {
	variables := map[string]string{}
	for i := 0; i < len(pairs); i += 2 {
		variables[pairs[i]] = pairs[i+1]
	}
	return func(name string) (string, bool) {
		value, ok := variables[name]
		return value, ok
	}
}
