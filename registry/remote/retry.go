package remote

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strconv"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/rs/zerolog"
	"oras.land/oras-go/v2/registry/remote/retry"
)

// limits are the times that a registry is given.
type limits struct {
	// tries is how often a request is made at most.
	tries int
	// base is the first wait between two tries; each further one doubles.
	base time.Duration
	// longest bounds one wait, also one that the registry asks for.
	longest time.Duration
	// answer is the time to connect, and again to begin an answer.
	answer time.Duration
	// stored is the time to confirm an upload once all of it is sent.
	stored time.Duration
	// lookup is the time in which a name must be found that the DNS cannot tell:
	// a name that is known not to exist is final at once.
	lookup time.Duration
	// silence is how long an answer may stand still in the middle, and the time
	// in which one that is no blob must be there.
	silence time.Duration
}

// defaultLimits make six tries within about half a minute when the registry
// fails at once, and a little more than three minutes when it does not answer.
// The resolver asks each name server twice, 5 s each, so that one which does not
// answer is given two tries.
func defaultLimits() limits {
	return limits{
		tries:   6,
		base:    time.Second,
		longest: time.Minute,
		answer:  30 * time.Second,
		stored:  5 * time.Minute,
		lookup:  15 * time.Second,
		silence: time.Minute,
	}
}

// temporary reports whether a status may be another one in a while.
func temporary(status int) bool {
	switch status {
	case http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests:
		return true
	case http.StatusNotImplemented, http.StatusHTTPVersionNotSupported:
		return false
	}
	return status >= 500
}

// temporaryFailure reports whether an error of the connection may heal. A
// cancelled or expired context does not.
func temporaryFailure(err error) bool {
	if errors.Is(err, context.Canceled) {
		return false
	}
	for _, healing := range []error{
		syscall.ECONNREFUSED, syscall.ECONNRESET, syscall.ECONNABORTED, syscall.EPIPE,
		io.EOF, io.ErrUnexpectedEOF, errSilence,
	} {
		if errors.Is(err, healing) {
			return true
		}
	}
	if lookup := (*net.DNSError)(nil); errors.As(err, &lookup) {
		return lookup.IsTemporary || lookup.IsTimeout
	}
	timeout := net.Error(nil)
	return errors.As(err, &timeout) && timeout.Timeout()
}

// isLookup reports whether an error is one of the DNS.
func isLookup(err error) bool {
	lookup := (*net.DNSError)(nil)
	return errors.As(err, &lookup)
}

// policy decides about the tries of one request.
type policy struct {
	limits  limits
	log     zerolog.Logger
	request *http.Request
	begun   time.Time
}

// Retry implements retry.Policy: the wait before the next try, or a negative
// one for no further try. attempt counts from 0.
func (p policy) Retry(attempt int, response *http.Response, err error) (time.Duration, error) {
	reason := ""
	switch {
	case err != nil && temporaryFailure(err):
		reason = bareError(err)
	case err == nil && temporary(response.StatusCode):
		reason = statusText(response.StatusCode)
	default:
		return -1, nil
	}
	if err := p.request.Context().Err(); err != nil {
		return -1, err
	}
	if p.request.Body != nil && p.request.GetBody == nil {
		return -1, nil // a stream that is read already; its sender starts over
	}
	if attempt+1 >= p.limits.tries || isLookup(err) && time.Since(p.begun) > p.limits.lookup {
		exhausted(p.request.Context())
		return -1, nil
	}
	asked := time.Duration(0)
	if response != nil {
		asked = retryAfter(response.Header.Get("Retry-After"), time.Now())
	}
	if left := time.Duration(p.limits.tries - 1 - attempt); asked > left*p.limits.longest {
		p.log.Warn().Str("registry", p.request.URL.Host).Str("reason", reason).Stringer("asked", asked).
			Msg("registry asks for a longer wait than all tries have, giving up")
		exhausted(p.request.Context())
		return -1, nil
	}
	wait := p.limits.wait(attempt, asked)
	report(p.log, p.request.URL.Host, reason, wait, attempt+2)
	return wait, nil
}

// wait is the time before the try that follows attempt (from 0), at least what
// the registry has asked for.
func (l limits) wait(attempt int, asked time.Duration) time.Duration {
	own := retry.ExponentialBackoff(l.base, 2, 0.25)(attempt, nil)
	return min(max(own, asked), l.longest)
}

// retryAfter reads the header Retry-After: seconds or a date. It is 0 for
// anything else.
func retryAfter(value string, now time.Time) time.Duration {
	if seconds, err := strconv.ParseInt(value, 10, 32); err == nil {
		return max(0, time.Duration(seconds)*time.Second)
	}
	if date, err := http.ParseTime(value); err == nil {
		return max(0, date.Sub(now))
	}
	return 0
}

func report(log zerolog.Logger, host, reason string, wait time.Duration, try int) {
	log.Warn().Str("registry", host).Str("reason", reason).
		Stringer("wait", wait.Round(time.Millisecond)).Int("try", try).
		Msg("registry failed, trying again")
}

// tried is what the tries of single requests tell the work they belong to.
type tried struct{ exhausted atomic.Bool }

type triedKey struct{}

// exhausted notes that a request was tried to the last, so that the work around
// it does not begin again.
func exhausted(ctx context.Context) {
	if t, ok := ctx.Value(triedKey{}).(*tried); ok {
		t.exhausted.Store(true)
	}
}

// retry does work that single requests cannot try again by themselves: that in
// which a stream broke off. Work that is done again finds what it has done.
func (c *Client) retry(ctx context.Context, host string, work func(ctx context.Context) error) error {
	for attempt := 0; ; attempt++ {
		t := &tried{}
		err := work(context.WithValue(ctx, triedKey{}, t))
		if err == nil || ctx.Err() != nil || t.exhausted.Load() || attempt+1 >= c.limits.tries || !canHeal(err) {
			return err
		}
		wait := c.limits.wait(attempt, 0)
		report(c.log, host, bareError(err), wait, attempt+2)
		if sleep(ctx, wait) != nil {
			return err
		}
	}
}

// sleep waits, but no longer than the context holds.
func sleep(ctx context.Context, wait time.Duration) error {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// canHeal reports whether an error of a request may be gone at the next try.
func canHeal(err error) bool {
	status, _, _, _ := answerOf(err)
	if status != 0 {
		return temporary(status)
	}
	return temporaryFailure(err)
}
