package kaniko

import (
	"encoding/base64"
	"fmt"
	"net/url"
	"path"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"github.com/slipway-build/slipway/internal/fault"
)

// Form is what a build context is.
type Form string

// The forms of a context.
const (
	// FormDir is a directory on the agent.
	FormDir Form = "directory"
	// FormTar is a tarball on the agent.
	FormTar Form = "tarball"
	// FormStdin is a tarball on standard input.
	FormStdin Form = "stdin"
	// FormHTTPS is a tarball that the agent fetches.
	FormHTTPS Form = "https"
	// FormGit is a repository that the builder fetches.
	FormGit Form = "git"
)

// Context is a parsed build context.
type Context struct {
	Form Form
	// Path is the directory or the tarball on the agent.
	Path string
	// URL is that of the tarball, or of the repository as BuildKit takes it.
	URL string
	// Sub is the directory below an unpacked tarball; empty for all of it.
	Sub string
}

// contextSource is what a context is parsed of.
type contextSource struct {
	value, sub, bucket string
	git                []string
	lookup             func(string) (string, bool)
}

// forms are the prefixes of contexts, for messages.
const forms = "a directory, dir://, tar://, tar://stdin, git:// or https://"

// azureBlob are the hosts of Azure's blob storage, as kaniko knows them.
var azureBlob = regexp.MustCompile(`^https://[^/]+\.blob\.core\.(windows\.net|chinacloudapi\.cn|cloudapi\.de|usgovcloudapi\.net)/.`)

// parse parses the context. The warning says what works but is probably not meant. The
// error is a *fault.Usage.
func (s contextSource) parse() (c Context, warning string, err error) {
	if s.bucket != "" {
		location := s.bucket
		if !strings.Contains(location, "://") {
			location = "gs://" + location
		}
		return c, "", unfetched("--bucket", s.bucket, location)
	}
	scheme, rest, found := strings.Cut(s.value, "://")
	if !found {
		if s.value == "" {
			return c, "", &fault.Usage{Flag: "--context", Problem: "is empty", Hint: "give " + forms}
		}
		if s.sub != "" {
			warning = fmt.Sprintf("--context-sub-path %s has no effect with a plain path, as with kaniko: write --context dir://%s", s.sub, s.value)
		}
		return Context{Form: FormDir, Path: s.value}, warning, nil
	}
	if s.sub != "" && !filepath.IsLocal(s.sub) {
		return c, "", &fault.Usage{Flag: "--context-sub-path", Value: s.sub, Problem: "is not a path below the context"}
	}
	if rest == "" {
		return c, "", &fault.Usage{Flag: "--context", Value: s.value, Problem: "has nothing after " + scheme + "://"}
	}
	switch {
	case scheme == "dir":
		return Context{Form: FormDir, Path: filepath.Join(rest, s.sub)}, "", nil
	case scheme == "tar" && rest == "stdin":
		return Context{Form: FormStdin, Sub: s.sub}, "", nil
	case scheme == "tar":
		return Context{Form: FormTar, Path: rest, Sub: s.sub}, "", nil
	case scheme == "git":
		address, err := s.repository(rest)
		return Context{Form: FormGit, URL: address}, "", err
	case scheme == "gs", scheme == "s3", azureBlob.MatchString(s.value):
		return c, "", unfetched("--context", s.value, s.value)
	case scheme == "https":
		if u, err := url.Parse(s.value); err != nil || u.Host == "" {
			return c, "", &fault.Usage{Flag: "--context", Value: s.value, Problem: "is not a URL"}
		}
		return Context{Form: FormHTTPS, URL: s.value, Sub: s.sub}, "", nil
	}
	return c, "", &fault.Usage{Flag: "--context", Value: s.value, Problem: "the form " + scheme + ":// is not known", Hint: "give " + forms}
}

// unfetched is the mistake of a context in a store whose clients are not in the program:
// the hint has the two lines that take its place.
func unfetched(flag, value, location string) *fault.Usage {
	name, fetch := "Azure's blob storage", "az storage blob download --blob-url %s --file context.tar.gz --auth-mode login"
	switch scheme, _, _ := strings.Cut(location, "://"); scheme {
	case "gs":
		name, fetch = "Google Cloud Storage", "gcloud storage cp %s context.tar.gz"
	case "s3":
		name, fetch = "S3", "aws s3 cp %s context.tar.gz"
	}
	return &fault.Usage{
		Flag: flag, Value: value, Problem: "contexts in " + name + " are not fetched by slipway",
		Hint: "fetch it first:\n" + fmt.Sprintf(fetch, "'"+strings.ReplaceAll(location, "'", `'\''`)+"'") + "\nexecutor --context tar://context.tar.gz …",
	}
}

// commitHash are the names of a commit that git has.
var commitHash = regexp.MustCompile(`^([0-9a-f]{40}|[0-9a-f]{64})$`)

// repository is the URL of a repository as BuildKit takes it, of what stands after
// git:// in HOST/PATH[#REF[#COMMIT]]. As with kaniko the work tree has its .git, and no
// submodules unless they are asked for.
func (s contextSource) repository(rest string) (string, error) {
	options, err := parseGit(s.git)
	if err != nil {
		return "", err
	}
	fail := func(problem string) (string, error) {
		return "", &fault.Usage{Flag: "--context", Value: "git://" + rest, Problem: problem, Hint: "the form is git://HOST/PATH[#REF[#COMMIT]]"}
	}
	parts := strings.Split(rest, "#")
	if len(parts) > 3 {
		return fail("has more than a reference and a commit")
	}
	parts = append(parts, "", "")
	address, ref, commit := parts[0], parts[1], parts[2]
	if commit != "" && !commitHash.MatchString(commit) {
		return fail("the commit is not a whole hash")
	}
	scheme := "https"
	if method, _ := s.lookup("GIT_PULL_METHOD"); method == "http" {
		scheme = method
	}
	u, err := url.Parse(scheme + "://" + address)
	switch {
	case err != nil:
		return fail("is not a URL")
	case u.Host == "" || strings.Trim(u.Path, "/") == "":
		return fail("names no repository")
	case u.User != nil:
		return fail("has a credential, which everybody on the machine can read: use GIT_TOKEN, or GIT_USERNAME and GIT_PASSWORD")
	case u.RawQuery != "" || u.ForceQuery:
		return fail("has a query")
	}
	// BuildKit knows a repository by this ending; servers take both spellings.
	if u.Path = strings.TrimRight(u.Path, "/"); !strings.HasSuffix(u.Path, ".git") {
		u.Path += ".git"
	}
	u.Path = path.Clean(u.Path)
	query := url.Values{"keep-git-dir": {"true"}, "submodules": {strconv.FormatBool(options.submodules)}}
	switch { // what kaniko checks out last goes first
	case commit != "":
		query.Set("ref", commit)
	case commitHash.MatchString(ref):
		query.Set("ref", ref)
	case options.branch != "":
		query.Set("ref", options.branch)
	case ref != "":
		query.Set("ref", ref)
	}
	if s.sub != "" {
		query.Set("subdir", filepath.ToSlash(filepath.Clean(s.sub)))
	}
	u.RawQuery = query.Encode()
	return u.String(), nil
}

// gitOptions are the options of --git.
type gitOptions struct {
	branch     string
	submodules bool
}

// parseGit parses the values of --git, each of which kaniko takes for one option and
// documents as several.
func parseGit(list []string) (o gitOptions, err error) {
	for _, value := range list {
		for option := range strings.SplitSeq(value, ",") {
			key, setting, found := strings.Cut(option, "=")
			fail := func(problem string) error {
				return &fault.Usage{Flag: "--git", Value: option, Problem: problem, Hint: "there are branch=NAME, single-branch=BOOL and recurse-submodules=BOOL"}
			}
			if !found {
				return o, fail("is not KEY=VALUE")
			}
			if key == "branch" {
				o.branch = setting
				continue
			}
			on, err := strconv.ParseBool(setting)
			switch {
			case key != "single-branch" && key != "recurse-submodules" && key != "insecure-skip-tls":
				return o, fail("is not known")
			case err != nil:
				return o, fail("is neither true nor false")
			case key == "recurse-submodules":
				o.submodules = on
			case key == "insecure-skip-tls" && on:
				return o, &fault.Usage{Flag: "--git", Value: option, Problem: "the builder fetches the repository, and verifies the server", Hint: "give the builder the server's certificate authority, in an image of its own"}
			}
		}
	}
	return o, nil
}

// gitSecret is the secret that BuildKit sends to the host of a repository: the
// credential in GIT_TOKEN, or in GIT_USERNAME and GIT_PASSWORD. Without one the ID is
// empty.
func (s contextSource) gitSecret(address string) (id, value string) {
	user, _ := s.lookup("GIT_USERNAME")
	password, _ := s.lookup("GIT_PASSWORD")
	if token, _ := s.lookup("GIT_TOKEN"); token != "" {
		user, password = token, ""
	}
	u, err := url.Parse(address)
	if err != nil || user == "" && password == "" {
		return "", ""
	}
	return "GIT_AUTH_HEADER." + u.Host, "basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password))
}
