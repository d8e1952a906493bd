package solve

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/docker/go-units"
	"github.com/moby/buildkit/util/cpuset"

	"github.com/slipway-build/slipway/internal/fault"
	"github.com/slipway-build/slipway/internal/suggest"
)

// Resource is a parsed --resource: one limit of the containers of RUN.
type Resource struct {
	// Key is docker's name of the limit, "memory-swap".
	Key string
	// Value is as BuildKit takes it: bytes, a number or a list of CPUs; empty for no
	// limit.
	Value string
}

// resource is one row of the table of limits.
type resource struct {
	key string
	// attr is the attribute of BuildKit's Dockerfile frontend (frontend/dockerui).
	attr string
	read func(value string) (parsed, problem string)
}

func resources() []resource {
	return []resource{
		{"memory", "memory", readMemory},
		{"memory-swap", "memswap", readSwap},
		{"cpu-shares", "cpushares", readCount},
		{"cpu-period", "cpuperiod", readCount},
		{"cpu-quota", "cpuquota", readQuota},
		{"cpuset-cpus", "cpusetcpus", readSet},
		{"cpuset-mems", "cpusetmems", readSet},
	}
}

// ParseResource parses KEY=VALUE of --resource. As with docker buildx, sizes have an
// optional unit (b, k, m, g) and 0 is no limit. The error is a *fault.Usage.
func ParseResource(value string) (Resource, error) {
	fail := func(problem, hint string) (Resource, error) {
		return Resource{}, &fault.Usage{Flag: "--resource", Value: value, Problem: problem, Hint: hint}
	}
	key, v, ok := strings.Cut(value, "=")
	if !ok {
		return fail("is not KEY=VALUE", "the form is memory=2g or cpu-quota=50000")
	}
	key, v = strings.TrimSpace(key), strings.TrimSpace(v)
	var keys []string
	for _, r := range resources() {
		keys = append(keys, r.key)
		if r.key != key {
			continue
		}
		parsed, problem := r.read(v)
		if problem != "" {
			return fail(problem, "")
		}
		return Resource{Key: key, Value: parsed}, nil
	}
	if near := suggest.Nearest(key, keys); near != "" {
		return fail(fmt.Sprintf("there is no limit %q", key), fmt.Sprintf("did you mean %q?", near))
	}
	return fail(fmt.Sprintf("there is no limit %q", key), "there are "+strings.Join(keys, ", "))
}

func readMemory(value string) (parsed, problem string) {
	size, err := units.RAMInBytes(value)
	if err != nil {
		return "", "is not a size such as 512m or 2g"
	}
	return number(size), ""
}

func readSwap(value string) (parsed, problem string) {
	if value == "-1" {
		return value, ""
	}
	parsed, problem = readMemory(value)
	if problem != "" {
		problem = "is not a size such as 4g, and not -1 for no limit"
	}
	return parsed, problem
}

func readCount(value string) (parsed, problem string) {
	n, err := strconv.ParseInt(value, 10, 64)
	if err != nil || n < 0 {
		return "", "is not a whole number"
	}
	return number(n), ""
}

// readQuota takes docker's -1 for no limit, too.
func readQuota(value string) (parsed, problem string) {
	if value == "-1" {
		return "", ""
	}
	return readCount(value)
}

func readSet(value string) (parsed, problem string) {
	if value == "" {
		return "", ""
	}
	if err := cpuset.Validate(value); err != nil {
		return "", "is not a list such as 0-3 or 0,1"
	}
	return value, ""
}

// number is a limit as BuildKit takes it, which has no zero.
func number(n int64) string {
	if n == 0 {
		return ""
	}
	return strconv.FormatInt(n, 10)
}

// setResources sets the limits of a request; the last one of a key counts.
func setResources(attrs map[string]string, list []Resource) {
	for _, r := range resources() {
		for _, given := range list {
			if given.Key != r.key {
				continue
			}
			delete(attrs, r.attr)
			if given.Value != "" {
				attrs[r.attr] = given.Value
			}
		}
	}
}

// checkResources finds limits that contradict each other: the kernel would refuse
// them in each step.
func checkResources(list []Resource) *fault.Usage {
	attrs := map[string]string{}
	setResources(attrs, list)
	memory, _ := strconv.ParseInt(attrs["memory"], 10, 64)
	swap, _ := strconv.ParseInt(attrs["memswap"], 10, 64)
	if swap > 0 && swap < memory {
		return &fault.Usage{
			Flag: "--resource", Value: "memory-swap", Problem: fmt.Sprintf("is less than memory: %d of %d bytes", swap, memory),
			Hint: "it is the limit of memory and swap together",
		}
	}
	return nil
}
