package tagrule

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// The events that rules tell apart. They are named as GitHub names them.
const (
	EventPush        = "push"
	EventPullRequest = "pull_request"
	EventSchedule    = "schedule"
	EventManual      = "workflow_dispatch"
)

// Context is what a pipeline runs for.
type Context struct {
	// Event is what has started the pipeline; other words than those above are
	// allowed and have no meaning.
	Event string
	// Ref is the full name of the reference in the form of GitHub:
	// refs/heads/BRANCH, refs/tags/TAG or refs/pull/NUMBER/merge. It is empty where
	// the CI system does not tell it.
	Ref string
	// SHA is the commit in hexadecimal digits.
	SHA string
	// DefaultBranch is that of the repository; empty where it is not known.
	DefaultBranch string
	// OnDefaultBranch is set where the event always runs for the default branch,
	// whatever the reference.
	OnDefaultBranch bool
	// BaseRef is the branch that a pull request is for, or that a tag was made of.
	BaseRef string
	// CommitTime is when the commit was made; zero stands for Now.
	CommitTime time.Time
	// Now is the time of {{date}}.
	Now time.Time
	// Created is the label of that name; zero stands for Now.
	Created time.Time

	// Title, Description, URL and Licenses describe the repository, in labels.
	// Licenses is an SPDX expression.
	Title, Description, URL, Licenses string

	// ShortSHA is how many digits a short commit has; 0 stands for 7.
	ShortSHA int
}

// Clean makes one line of every text, as OneLine does. What a variable holds may have
// been written by whoever named a branch or described a repository.
func (c *Context) Clean() {
	for _, text := range []*string{&c.Event, &c.Ref, &c.SHA, &c.DefaultBranch, &c.BaseRef, &c.Title, &c.Description, &c.URL, &c.Licenses} {
		*text = OneLine(*text)
	}
}

// OneLine makes one line of a text, without control characters.
func OneLine(text string) string {
	text = strings.Join(strings.Fields(text), " ")
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return -1
		}
		return r
	}, text)
}

const (
	heads = "refs/heads/"
	tags  = "refs/tags/"
	pulls = "refs/pull/"
)

// Branch is the branch of the reference, empty where it is no branch.
func (c Context) Branch() string { return below(c.Ref, heads) }

// Tag is the tag of the reference, empty where it is no tag.
func (c Context) Tag() string { return below(c.Ref, tags) }

// PullRequest is the number of the pull request of the reference, empty where it
// is none.
func (c Context) PullRequest() string {
	return strings.TrimSuffix(below(c.Ref, pulls), "/merge")
}

// String says what the pipeline runs for, for messages.
func (c Context) String() string {
	switch {
	case c.Branch() != "":
		return "the branch " + c.Branch()
	case c.Tag() != "":
		return "the tag " + c.Tag()
	case c.PullRequest() != "":
		return "the pull request " + c.PullRequest()
	case c.Ref != "":
		return "the reference " + c.Ref
	}
	return "no reference that is known"
}

func below(ref, prefix string) string {
	if name, ok := strings.CutPrefix(ref, prefix); ok {
		return name
	}
	return ""
}

// defaultShortSHA is the length of a short commit, as of the action.
const defaultShortSHA = 7

func (c Context) shortSHA() string {
	length := c.ShortSHA
	if length <= 0 {
		length = defaultShortSHA
	}
	return c.SHA[:min(length, len(c.SHA))]
}

func (c Context) isDefaultBranch() bool {
	if c.Ref == "" {
		return false
	}
	return c.OnDefaultBranch || c.Branch() != "" && c.Branch() == c.DefaultBranch
}

// values are what the global expressions stand for.
func (c Context) values() values {
	isDefault, isNot := "false", "true"
	if c.isDefaultBranch() {
		isDefault, isNot = isNot, isDefault
	}
	commit := c.CommitTime
	if commit.IsZero() {
		commit = c.Now
	}
	return values{
		texts: map[string]string{
			"branch": c.Branch(), "tag": c.Tag(), "sha": c.shortSHA(), "base_ref": c.BaseRef,
			"is_default_branch": isDefault, "is_not_default_branch": isNot,
		},
		times: map[string]time.Time{"date": c.Now, "commit_date": commit},
	}
}

// contextKeys are what a user can say of the context.
var contextKeys = []string{
	"event", "ref", "branch", "tag", "pr", "sha", "default-branch", "base-ref", "commit-time", "title", "description", "url", "licenses",
}

// contextEvents are the values of event, for users.
var contextEvents = map[string]string{"push": EventPush, "pull_request": EventPullRequest, "schedule": EventSchedule, "manual": EventManual}

var hexadecimal = regexp.MustCompile(`^[0-9a-f]{7,64}$`)

// Set changes the context to what a user says of it, in the values of a flag:
// KEY=VALUE, one a line, with the keys event, ref, branch, tag, pr, sha,
// default-branch, base-ref, commit-time, title, description, url and licenses. It
// reports mistakes as ParseRules does.
func (c *Context) Set(flag string, values []string) error {
	_, err := parseLines(flag, values, func(line string) (struct{}, error) {
		key, value, found := strings.Cut(line, "=")
		if !found {
			return struct{}{}, &mistake{"it is not KEY=VALUE", "keys are " + strings.Join(contextKeys, ", ")}
		}
		return struct{}{}, c.set(strings.TrimSpace(key), strings.TrimSpace(value))
	})
	return err
}

func (c *Context) set(key, value string) error {
	texts := map[string]*string{
		"default-branch": &c.DefaultBranch, "base-ref": &c.BaseRef,
		"title": &c.Title, "description": &c.Description, "url": &c.URL, "licenses": &c.Licenses,
	}
	forms := map[string]string{"branch": heads + value, "tag": tags + value, "pr": pulls + value + "/merge"}
	if into, ok := texts[key]; ok {
		*into = value
		return nil
	}
	if ref, ok := forms[key]; ok {
		if value == "" { // the variable of the pipeline was empty
			return nil
		}
		return c.setRef(ref)
	}
	switch key {
	case "ref":
		return c.setRef(value)
	case "sha":
		if !hexadecimal.MatchString(value) {
			return &mistake{"sha is not a commit in hexadecimal digits", ""}
		}
		c.SHA = value
	case "event":
		event, ok := contextEvents[value]
		if !ok {
			return unknownWord("event", value, slices.Sorted(maps.Keys(contextEvents)))
		}
		c.Event = event
	case "commit-time":
		at, err := time.Parse(time.RFC3339, value)
		if seconds, failed := strconv.ParseInt(value, 10, 64); failed == nil {
			at, err = time.Unix(seconds, 0), nil
		}
		if err != nil {
			return &mistake{"commit-time is neither a time such as 2026-01-31T12:00:00Z nor seconds since 1970", "git log -1 --format=%cI prints it"}
		}
		c.CommitTime = at
	default:
		return unknownWord("key", key, contextKeys)
	}
	return nil
}

func (c *Context) setRef(ref string) error {
	changed := Context{Ref: ref}
	if changed.Branch() == "" && changed.Tag() == "" && changed.PullRequest() == "" {
		return &mistake{fmt.Sprintf("the reference %q is none of refs/heads/BRANCH, refs/tags/TAG and refs/pull/NUMBER/merge", ref), ""}
	}
	c.Ref, c.OnDefaultBranch = ref, false
	if changed.PullRequest() != "" && c.Event == "" {
		c.Event = EventPullRequest
	}
	return nil
}
