package ci

import (
	"net/url"
	"strings"
)

// Repository returns host and path of the repository at an address, without scheme and
// credentials, as an Identity has it: "gitlab.example/team/app". It is empty for an
// address that names no host.
func Repository(address string) string { return remote(address) }

// remote brings the address of a repository into one form, host/path, so that
// a clone over SSH and one with a job's token over HTTPS are the same:
// "https://token@host/team/app.git", "ssh://git@host:22/team/app" and
// "git@host:team/app" become "host/team/app". A port stays unless it is the
// scheme's own. It is empty for what names no host.
func remote(address string) string {
	address = strings.TrimSpace(address)
	if !strings.Contains(address, "://") {
		host, path, ok := strings.Cut(address, ":")
		if inside, after, six := strings.Cut(address, "]:"); six && strings.Contains(host, "[") {
			host, path = inside+"]", after // git@[fd00::1]:team/app
		}
		if !ok || strings.Contains(host, "/") {
			return ""
		}
		if at := strings.LastIndex(host, "@"); at >= 0 {
			host = host[at+1:]
		}
		return hostPath(host, path)
	}
	u, err := url.Parse(address)
	if err != nil || u.Hostname() == "" {
		return ""
	}
	host := u.Host
	if u.Port() == standardPorts[u.Scheme] || u.Port() == "" {
		host = strings.TrimSuffix(host, ":"+u.Port())
	}
	return hostPath(host, u.Path)
}

// standardPorts are the ports that say nothing.
var standardPorts = map[string]string{"https": "443", "http": "80", "ssh": "22", "git": "9418"}

func hostPath(host, path string) string {
	path = strings.Trim(path, "/")
	path = strings.TrimSuffix(path, ".git")
	if host == "" || path == "" {
		return ""
	}
	return strings.ToLower(host) + "/" + path
}
