package sanitize

import (
	"slices"
	"strings"
)

// redacted stands where something in a URL is not shown.
const redacted = "xxxxx"

// harmless are the parameters of a URL whose values are shown: those of
// registries, of git and of the endpoints of the driver kubernetes. A signed URL has its secret in any other.
var harmless = []string{
	"account", "client_id", "digest", "from", "last", "mount", "n", "scope", "service",
	"branch", "checksum", "commit", "ref", "subdir", "tag",
	"deployment", "kubeconfig",
}

// layoutScheme begins the names of images in directories, oci-layout://DIR@DIGEST,
// where what stands before an @ is no user.
const layoutScheme = "oci-layout"

// RedactURLs returns text without the user names, passwords and values of
// parameters in its URLs, wherever they stand in it.
func RedactURLs(text string) string {
	at := strings.Index(text, "://")
	if at < 0 {
		return text
	}
	var out strings.Builder
	for ; at >= 0; at = strings.Index(text, "://") {
		out.WriteString(text[:at+3])
		hasScheme := at > 0 && isAlphanumeric(text[at-1]) && !strings.HasSuffix(text[:at], layoutScheme)
		text = text[at+3:]
		if !hasScheme {
			continue
		}
		end := strings.IndexFunc(text, func(r rune) bool { return r <= ' ' || strings.ContainsRune("\"'`<>\\", r) })
		if end < 0 {
			end = len(text)
		}
		for end > 0 && strings.IndexByte(".,:;)]}", text[end-1]) >= 0 { // of the sentence around it
			end--
		}
		redactURL(&out, text[:end])
		text = text[end:]
	}
	out.WriteString(text)
	return out.String()
}

// redactURL writes what follows the :// of a URL.
func redactURL(out *strings.Builder, url string) {
	if at := endOfUser(url); at >= 0 {
		user, _, hasPassword := strings.Cut(url[:at], ":")
		if user != "" {
			out.WriteString(redacted)
		}
		if hasPassword {
			out.WriteString(":" + redacted)
		}
		url = url[at:]
	}
	url, fragment, hasFragment := strings.Cut(url, "#")
	url, query, hasQuery := strings.Cut(url, "?")
	out.WriteString(RedactURLs(url)) // a proxy's URL has another in its path
	if hasQuery {
		out.WriteString("?" + redactParameters(query))
	}
	if hasFragment && strings.Contains(fragment, "=") {
		fragment = redactParameters(fragment)
	}
	if hasFragment {
		out.WriteString("#" + fragment)
	}
}

// endOfUser is where the @ after user and password stands, negative for none.
// A password that was not escaped may hold what ends a host; then what seems to
// be the port is no number.
func endOfUser(url string) int {
	authority := url
	if end := strings.IndexAny(url, "/?#"); end >= 0 {
		authority = url[:end]
	}
	if at := strings.LastIndexByte(authority, '@'); at >= 0 {
		return at
	}
	_, port, ok := strings.Cut(authority, ":")
	if !ok || strings.HasPrefix(authority, "[") || strings.Trim(port, "0123456789") == "" {
		return -1
	}
	return strings.LastIndexByte(url, '@')
}

func redactParameters(query string) string {
	parameters := strings.Split(query, "&")
	for i, parameter := range parameters {
		name, value, ok := strings.Cut(parameter, "=")
		switch {
		case !ok && parameter != "":
			parameters[i] = redacted
		case slices.Contains(harmless, name):
			parameters[i] = name + "=" + RedactURLs(value)
		case value != "":
			parameters[i] = name + "=" + redacted
		}
	}
	return strings.Join(parameters, "&")
}

func isAlphanumeric(b byte) bool {
	return b|0x20 >= 'a' && b|0x20 <= 'z' || b >= '0' && b <= '9'
}
