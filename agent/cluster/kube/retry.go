package kube

import (
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/util/retry"
)

// Retry calls try until it succeeds, fails with an error that is not worth another
// try, or the backoff has no more steps, and returns how the last try ended.
// retry.OnError of client-go 0.37 does not: it takes a deadline that try ends with
// for its own, and returns the error of the try before.
func Retry(backoff wait.Backoff, worthAnother func(error) bool, try func() error) error {
	var last error
	_ = retry.OnError(backoff, worthAnother, func() error {
		last = try()
		return last
	})
	return last
}
