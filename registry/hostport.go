package registry

import "strings"

// CutPort cuts the port off a registry's host; it is empty where there is none.
// An IPv6 address stands in brackets, as in references of images, and keeps them.
func CutPort(host string) (name, port string) {
	if end := strings.LastIndexByte(host, ']'); strings.HasPrefix(host, "[") && end > 0 {
		return host[:end+1], strings.TrimPrefix(host[end+1:], ":")
	}
	name, port, _ = strings.Cut(host, ":")
	return name, port
}
