package proxy

import (
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"strings"
	"sync"
)

// Oddity is a way in which registries that are in use answer otherwise than
// most. docs/registries.md has a row for each.
type Oddity struct {
	// Name is the oddity's in that table.
	Name string
	// answer answers in the registry's place where it returns true.
	answer func(o *odd, w http.ResponseWriter, r *http.Request) bool
	// change changes the header and the status of the registry's own answer.
	change func(r *http.Request, header http.Header, code int) int
}

// odd is an oddity that is switched on, and what it knows of the past.
type odd struct {
	Oddity
	mu    sync.Mutex
	set   map[string]bool // tags that were put, by path
	reads map[string]int  // since then
}

// Be switches an oddity on, in place of any other; the zero Oddity is none.
func (p *Proxy) Be(o Oddity) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.odd = nil
	if o.answer != nil || o.change != nil {
		p.odd = &odd{Oddity: o, set: map[string]bool{}, reads: map[string]int{}}
	}
}

// meets answers a request in the registry's place, or returns the writer for
// the registry's answer.
func (o *odd) meets(w http.ResponseWriter, r *http.Request) (http.ResponseWriter, bool) {
	if o == nil {
		return w, false
	}
	if o.answer != nil && o.answer(o, w, r) {
		return w, true
	}
	return &changed{w, r, o}, false
}

// changed is the writer of an answer that an oddity changes.
type changed struct {
	http.ResponseWriter
	r *http.Request
	o *odd
}

// Unwrap lets the server's own writer be flushed.
func (c *changed) Unwrap() http.ResponseWriter { return c.ResponseWriter }

func (c *changed) WriteHeader(code int) {
	if c.r.Method == http.MethodPut && isTag(c.r) && code/100 == 2 {
		c.o.mu.Lock()
		c.o.set[c.r.URL.Path], c.o.reads[c.r.URL.Path] = true, 0
		c.o.mu.Unlock()
	}
	if c.o.change != nil {
		code = c.o.change(c.r, c.Header(), code)
	}
	c.ResponseWriter.WriteHeader(code)
}

// wasSet reports whether the request is for a tag that was put through the
// proxy, and how often it was asked for since.
func (o *odd) wasSet(r *http.Request) (asked int, set bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if set = o.set[r.URL.Path]; set {
		o.reads[r.URL.Path]++
	}
	return o.reads[r.URL.Path], set
}

var tagPath = regexp.MustCompile(`/manifests/[^/:]+$`)

func isTag(r *http.Request) bool { return tagPath.MatchString(r.URL.Path) }

func isManifest(r *http.Request) bool { return strings.Contains(r.URL.Path, "/manifests/") }

func isRead(r *http.Request) bool { return r.Method == http.MethodGet || r.Method == http.MethodHead }

// deny answers as registries do.
func deny(w http.ResponseWriter, r *http.Request, status int, code, message string) {
	refuse(w, r, Fault{status: status, header: http.Header{"Content-Type": {"application/json"}}})
	if r.Method != http.MethodHead {
		// A client that is gone is the client's business.
		_, _ = fmt.Fprintf(w, `{"errors":[{"code":%q,"message":%q}]}`, code, message)
	}
}

// denies is an oddity that refuses some requests.
func denies(name string, which func(o *odd, r *http.Request) bool, status int, code, message string) Oddity {
	return Oddity{Name: name, answer: func(o *odd, w http.ResponseWriter, r *http.Request) bool {
		if !which(o, r) {
			return false
		}
		deny(w, r, status, code, message)
		return true
	}}
}

// mountless is an oddity that mounts no blobs. It shows none either, for
// registries that have one store of blobs for all repositories need no mounts.
func mountless(name string, status int, code, message string) Oddity {
	return Oddity{Name: name, answer: func(_ *odd, w http.ResponseWriter, r *http.Request) bool {
		switch {
		case r.URL.Query().Get("mount") != "":
			deny(w, r, status, code, message)
		case r.Method == http.MethodHead && strings.Contains(r.URL.Path, "/blobs/"):
			deny(w, r, http.StatusNotFound, "BLOB_UNKNOWN", "blob unknown to registry")
		default:
			return false
		}
		return true
	}}
}

// changes is an oddity of answers to some requests.
func changes(name string, which func(r *http.Request) bool, change func(header http.Header, code int) int) Oddity {
	return Oddity{Name: name, change: func(r *http.Request, header http.Header, code int) int {
		if !which(r) {
			return code
		}
		return change(header, code)
	}}
}

// lateReads is how often a tag that was put is not found.
const lateReads = 20

// PushOnly is the part of a repository's name by which the oddity "push only"
// knows that it may not be read.
const PushOnly = "push-only"

// Oddities are all of them.
func Oddities() []Oddity {
	putAgain := func(o *odd, r *http.Request) bool {
		if r.Method != http.MethodPut || !isTag(r) {
			return false
		}
		_, set := o.wasSet(r)
		return set
	}
	heads := func(_ *odd, r *http.Request) bool { return r.Method == http.MethodHead && isManifest(r) }
	readsManifest := func(r *http.Request) bool { return isRead(r) && isManifest(r) }
	puts := func(r *http.Request) bool { return r.Method == http.MethodPut }
	return []Oddity{
		denies("late tag", func(o *odd, r *http.Request) bool {
			if !isRead(r) || !isTag(r) {
				return false
			}
			asked, set := o.wasSet(r)
			return set && asked <= lateReads
		}, http.StatusNotFound, "MANIFEST_UNKNOWN", "manifest unknown"),
		denies("immutable 400", putAgain, http.StatusBadRequest, "TAG_INVALID", "The image tag already exists and cannot be overwritten because the repository is immutable."),
		denies("immutable 403", putAgain, http.StatusForbidden, "DENIED", "not allowed to overwrite"),
		denies("immutable 412", putAgain, http.StatusPreconditionFailed, "PRECONDITION", "configured as immutable"),
		changes("no length", readsManifest, func(header http.Header, code int) int {
			header.Del("Content-Length")
			return code
		}),
		changes("no digest", readsManifest, func(header http.Header, code int) int {
			header.Del("Docker-Content-Digest")
			return code
		}),
		changes("another digest", func(r *http.Request) bool { return r.Method == http.MethodHead && isTag(r) }, func(header http.Header, code int) int {
			header.Set("Docker-Content-Digest", "sha256:"+strings.Repeat("0", 64))
			return code
		}),
		changes("another type", readsManifest, func(header http.Header, code int) int {
			header.Set("Content-Type", "application/json")
			return code
		}),
		denies("HEAD 404", heads, http.StatusNotFound, "NOT_FOUND", ""),
		denies("HEAD 405", heads, http.StatusMethodNotAllowed, "UNSUPPORTED", ""),
		mountless("mount 401", http.StatusUnauthorized, "UNAUTHORIZED", "authentication required"),
		mountless("mount 403", http.StatusForbidden, "DENIED", "requested access to the resource is denied"),
		mountless("mount 404", http.StatusNotFound, "NAME_UNKNOWN", "repository name not known to registry"),
		denies("push only", func(_ *odd, r *http.Request) bool {
			return isRead(r) && strings.Contains(r.URL.Path, PushOnly)
		}, http.StatusForbidden, "DENIED", "no right to pull"),
		denies("no list", func(_ *odd, r *http.Request) bool { return strings.HasSuffix(r.URL.Path, "/tags/list") },
			http.StatusUnauthorized, "UNAUTHORIZED", "metadata_read"),
		changes("PUT 202", puts, func(_ http.Header, code int) int {
			if code == http.StatusCreated {
				return http.StatusAccepted
			}
			return code
		}),
		changes("http location", func(r *http.Request) bool { return r.Method == http.MethodPost }, func(header http.Header, code int) int {
			if location := header.Get("Location"); location != "" {
				maps.Copy(header, http.Header{"Location": {strings.Replace(location, "https://", "http://", 1)}})
			}
			return code
		}),
	}
}
