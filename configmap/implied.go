package configmap

import (
	"errors"

	"github.com/slipway-build/slipway/internal/fault"
)

// NoneFound reports whether an error of Locate or Load says that there are no
// definitions at all, and nothing that is meant to be one.
func NoneFound(err error) bool {
	known := (*Error)(nil)
	return errors.As(err, &known) && known.none
}

// Implied is the builder that commands use where none is defined: the buildkitd at
// host, which is the value of BUILDKIT_HOST, else one that the program buildkitd is
// started as. Either may be empty. The set is nil where there is neither. why says
// in a line what is used; the error is about the value of BUILDKIT_HOST.
func Implied(host, buildkitd string) (set *Set, why string, err error) {
	request := Create{Name: "local", Driver: DriverLocal, Node: "local"}
	place := "buildkitd in PATH"
	switch {
	case host != "":
		request.Driver, request.Endpoint, place = DriverRemote, host, "BUILDKIT_HOST"
		why = "no builder is defined: using the buildkitd at BUILDKIT_HOST"
	case buildkitd != "":
		why = "no builder is defined: using " + buildkitd + " on this machine, which runs while commands need it"
	default:
		return nil, "", nil
	}
	created, err := request.Apply(Source{Place: place})
	if known := (fault.List)(nil); errors.As(err, &known) {
		for _, one := range known {
			if usage := (*fault.Usage)(nil); errors.As(one, &usage) && usage.Flag == "ENDPOINT" {
				usage.Flag = place
			}
		}
	}
	if err != nil {
		return nil, "", err
	}
	set = Parse(place, created.Content)
	return set, why, set.Broken()
}
