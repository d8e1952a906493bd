package kaniko

import (
	"fmt"
	"strings"
)

// kind is the form of a flag's value.
type kind int

const (
	text     kind = iota // the last one counts
	list                 // each one counts
	boolean              // --flag or --flag=true
	integer              // a whole number
	duration             // such as 6h
)

// effect is what becomes of a flag.
type effect int

const (
	carried effect = iota
	none
	refused
)

// Flag is a flag of kaniko's executor.
type Flag struct {
	Name string
	// Short is its letter; empty for none.
	Short string
	// Means says what becomes of it, for the reference.
	Means string

	kind   kind
	effect effect
	// alias is the flag whose deprecated spelling it is.
	alias string
	// words are the values that it may have; nil for any.
	words []string
}

// Effect is what becomes of the flag, in words.
func (f Flag) Effect() string {
	switch f.effect {
	case none:
		return "no effect"
	case refused:
		return "refused"
	}
	return "carried over"
}

// Flags are all flags of the release, in the order of its sources, with the deprecated
// spellings at the end.
func Flags() []Flag {
	return []Flag{
		{Name: "verbosity", Short: "v", words: []string{"trace", "debug", "info", "warn", "error", "fatal", "panic"}, Means: "The least severe diagnostics that are printed. `fatal` and `panic` are `error`. The log of the build is always printed."},
		{Name: "log-format", words: []string{"text", "color", "json"}, Means: "`json`: diagnostics are JSON. `text` and `color`: there are colours on a terminal only."},
		{Name: "log-timestamp", kind: boolean, effect: none, Means: "CI systems add the time to each line; with `--log-format=json` it is always there."},
		{Name: "force", kind: boolean, effect: none, Means: "Nothing is built in this container, so none is needed."},

		{Name: "dockerfile", Short: "f", Means: "A path below the working directory, else below the context, or an http(s) URL, which the builder fetches."},
		{Name: "context", Short: "c", Means: "Default `/workspace/`. See [contexts](#contexts)."},
		{Name: "context-sub-path", Means: "The directory in the context that is built. As with kaniko it has no effect on a plain path, and a warning says so; write `dir://PATH`."},
		{Name: "bucket", Short: "b", effect: refused, Means: "Fetch the tarball before: [contexts](#contexts)."},
		{Name: "destination", Short: "d", kind: list, Means: "Names of the image, all of which are pushed. It or `--no-push` must be given."},
		{Name: "snapshot-mode", effect: none, Means: "BuildKit takes snapshots of its own."},
		{Name: "custom-platform", Means: "Default: the platform of the container that the command runs in. A list such as `linux/amd64,linux/arm64` makes one image of several platforms."},
		{Name: "build-arg", kind: list, Means: "`NAME=VALUE`, or `NAME` for the value of the environment, which is empty where it is not set."},
		{Name: "insecure", kind: boolean, Means: "Push to all destinations over plain HTTP, or TLS that is not verified."},
		{Name: "skip-tls-verify", kind: boolean, Means: "The same as `--insecure`: the builder tries TLS first."},
		{Name: "insecure-pull", kind: boolean, Means: "The builder pulls, as [its definition](#registries) says. A warning says so."},
		{Name: "skip-tls-verify-pull", kind: boolean, Means: "As `--insecure-pull`."},
		{Name: "push-retry", kind: integer, Means: "How often a build is tried again that failed at a registry; what was built comes from the builder's cache. Each try has Slipway's and BuildKit's own attempts."},
		{Name: "push-ignore-immutable-tag-errors", kind: boolean, effect: refused, Means: "A build that pushes nothing must not look like one that did: look for the tag before, with `slipway index inspect`."},
		{Name: "image-fs-extract-retry", kind: integer, effect: none, Means: "Builders try again by themselves."},
		{Name: "image-download-retry", kind: integer, Means: "As `--push-retry`; the larger one counts."},
		{Name: "kaniko-dir", Means: "Where `.docker/config.json` is looked for besides `/kaniko`. Nothing is copied or removed. It goes before `KANIKO_DIR`."},
		{Name: "tar-path", Means: "The image as an archive for `docker load`, with the names of the destinations. It is pushed as well unless `--no-push` is given, as with kaniko."},
		{Name: "single-snapshot", kind: boolean, effect: refused, Means: "BuildKit does not squash layers, and an earlier layer may hold what a later one removes. Copy the result into a last stage: `FROM scratch`, `COPY --from=build / /`."},
		{Name: "reproducible", kind: boolean, Means: "All times in the image are 1970-01-01: `SOURCE_DATE_EPOCH=0` and `rewrite-timestamp=true`. A `--build-arg SOURCE_DATE_EPOCH` wins."},
		{Name: "target", Means: "The stage to build."},
		{Name: "no-push", kind: boolean, Means: "Nothing is pushed but the cache of `--cache-repo`. `KANIKO_NO_PUSH` goes before it."},
		{Name: "no-push-cache", kind: boolean, Means: "The cache repository is read only."},
		{Name: "cache-repo", Means: "Where `--cache` keeps the cache: a repository (default: that of the first destination with `/cache`), whose tag `latest` it is, or `oci:PATH`, a directory."},
		{Name: "cache-dir", effect: none, Means: "Builders keep base images."},
		{Name: "digest-file", Means: "The digest of what was built, of the index where there are several platforms. An https URL gets it by PUT."},
		{Name: "image-name-with-digest-file", Means: "A line `REPOSITORY@DIGEST` for each destination, named as kaniko names it: `index.docker.io` for Docker Hub."},
		{Name: "image-name-tag-with-digest-file", Means: "A line `REPOSITORY:TAG@DIGEST` for each destination. With both files both have tags, as with kaniko."},
		{Name: "oci-layout-path", Means: "The image as a directory in OCI image layout. One that is there gains the image."},
		{Name: "compression", words: []string{"gzip", "zstd"}, Means: "Compression of new layers."},
		{Name: "compression-level", kind: integer, Means: "Level of the compression; negative is the default."},
		{Name: "cache", kind: boolean, Means: "Use the cache repository besides the builder's own cache, which needs no flag. `--cache=false` builds everything anew."},
		{Name: "compressed-caching", kind: boolean, effect: none, Means: "It is about kaniko's memory."},
		{Name: "cleanup", kind: boolean, effect: none, Means: "Nothing is unpacked in this container."},
		{Name: "cache-ttl", kind: duration, effect: none, Means: "An entry is valid as long as what it was made of; the registry's own rules remove old ones."},
		{Name: "insecure-registry", kind: list, Means: "Push to this registry, and keep the cache there, as with `--insecure`. Pulls are [the builder's](#registries)."},
		{Name: "skip-tls-verify-registry", kind: list, Means: "As `--insecure-registry`."},
		{Name: "registry-certificate", kind: list, Means: "`HOST=FILE`: certificate authority for what the agent asks the registry. The builder has its own in [its definition](#registries)."},
		{Name: "registry-client-cert", kind: list, Means: "`HOST=CERTIFICATE,KEY`, as `--registry-certificate`."},
		{Name: "registry-map", kind: list, Means: "`REGISTRY=MIRROR`, several separated by `;`. The builder pulls, through the mirrors of [its definition](#registries); a warning says so where the definition has no such mirror. `KANIKO_REGISTRY_MAP` adds to it."},
		{Name: "registry-mirror", kind: list, Means: "Mirror of Docker Hub, as `--registry-map`. `KANIKO_REGISTRY_MIRROR` adds to it."},
		{Name: "skip-default-registry-fallback", kind: boolean, Means: "Images are pulled from the first mirror of their registry and from nowhere else, whatever the definition says."},
		{Name: "ignore-var-run", kind: boolean, effect: none, Means: "BuildKit mounts nothing at `/var/run`; what a step writes there is in the image."},
		{Name: "label", kind: list, Means: "`NAME=VALUE`: label of the image."},
		{Name: "skip-unused-stages", kind: boolean, Means: "Always so: BuildKit builds what the target needs. `=false` is warned of: a stage with tests runs where it is the `--target` or something is copied from it."},
		{Name: "use-new-run", kind: boolean, effect: none, Means: "BuildKit has one way to run."},
		{Name: "git", kind: list, Means: "`branch=NAME`, `single-branch=BOOL` (always so), `recurse-submodules=BOOL` (default: false), also several separated by commas. `insecure-skip-tls=true` is refused."},
		{Name: "cache-copy-layers", kind: boolean, Means: "Always so: the content decides whether `COPY` is done again."},
		{Name: "cache-run-layers", kind: boolean, Means: "Default: true. `=false` builds everything anew, without a cache repository."},
		{Name: "ignore-path", kind: list, effect: none, Means: "BuildKit takes snapshots of the steps' own files only."},
		{Name: "force-build-metadata", kind: boolean, effect: none, Means: "Metadata are always complete."},
		{Name: "skip-push-permission-check", kind: boolean, Means: "Otherwise the right to push is checked before the build: to the destinations, with `--no-push` to the cache repository."},

		{Name: "snapshotMode", alias: "snapshot-mode", effect: none},
		{Name: "customPlatform", alias: "custom-platform"},
		{Name: "tarPath", alias: "tar-path"},
		{Name: "whitelist-var-run", kind: boolean, alias: "ignore-var-run", effect: none},
	}
}

// Table is the reference of all flags, in Markdown.
func Table() string {
	var b strings.Builder
	b.WriteString("| flag | what happens | |\n|---|---|---|\n")
	for _, f := range Flags() {
		name := "`--" + f.Name + "`"
		if f.Short != "" {
			name += ", `-" + f.Short + "`"
		}
		means := f.Means
		if f.alias != "" {
			means = fmt.Sprintf("Deprecated spelling of `--%s`; a warning says so.", f.alias)
		}
		fmt.Fprintf(&b, "| %s | %s | %s |\n", name, f.Effect(), means)
	}
	return b.String()
}

// Help is what executor --help prints.
func Help() string {
	var b strings.Builder
	b.WriteString("Usage: executor --destination NAME [FLAG…]\n\nSlipway builds as kaniko's executor " + Release + " is asked to. SLIPWAY_* variables are its own settings.\n\n")
	for _, f := range Flags() {
		if f.alias != "" {
			continue
		}
		name := "--" + f.Name
		if f.Short != "" {
			name = "-" + f.Short + ", " + name
		}
		effect := ""
		if f.effect != carried {
			effect = "(" + f.Effect() + ") "
		}
		fmt.Fprintf(&b, "  %-36s %s%s\n", name, effect, plain(f.Means))
	}
	return b.String()
}

// plain takes the marks of Markdown out of a text.
func plain(text string) string {
	var b strings.Builder
	for len(text) > 0 {
		before, rest, found := strings.Cut(text, "](#")
		b.WriteString(before)
		if !found {
			break
		}
		_, text, _ = strings.Cut(rest, ")")
	}
	return strings.NewReplacer("`", "", "[", "").Replace(b.String())
}
