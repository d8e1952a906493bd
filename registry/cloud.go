package registry

import (
	"context"
	"fmt"
	"os/exec"
	"regexp"
	"strings"
)

// cloud is a registry service whose credentials follow from the identity of
// the machine or the pod, through the cloud's own credential helper.
type cloud struct {
	name string
	// hosts are the service's registries. The pattern is bound at both ends:
	// names that only contain a cloud's have been used to steal tokens.
	hosts *regexp.Regexp
	// helpers are the programs that serve it, the first that is installed
	// wins.
	helpers []string
}

// clouds are the services that are known.
func clouds() []cloud {
	return []cloud{
		{
			"Amazon ECR",
			regexp.MustCompile(`^(?:[0-9]{12}\.dkr[.-]ecr(?:-fips)?\.[a-z]{2,}(?:-[a-z0-9]+)+\.(?:amazonaws\.com(?:\.cn)?|on\.aws|on\.amazonwebservices\.com\.cn)|public\.ecr\.aws)$`),
			[]string{"docker-credential-ecr-login"},
		},
		{
			"Google Artifact Registry",
			regexp.MustCompile(`^(?:(?:us|eu|asia)\.gcr\.io|gcr\.io|[a-z]+(?:-[a-z0-9]+)*-docker\.pkg\.dev)$`),
			[]string{"docker-credential-gcr", "docker-credential-gcloud"},
		},
		{
			"Azure Container Registry",
			regexp.MustCompile(`^[a-z0-9]{5,50}(?:-[a-z0-9]+)?\.azurecr\.(?:io|cn|us)$`),
			[]string{"docker-credential-acr-env"},
		},
	}
}

// cloudSources are the sources of all clouds.
func cloudSources(run *helpers) []CredentialSource {
	var all []CredentialSource
	for _, c := range clouds() {
		all = append(all, CredentialSource{c.name, strings.Join(c.helpers, ", "), cloudFinder{c, run}})
	}
	return all
}

type cloudFinder struct {
	cloud
	run *helpers
}

// Find implements Finder.
func (f cloudFinder) Find(ctx context.Context, r Request) (Credential, error) {
	if !f.hosts.MatchString(r.Host) {
		return Credential{}, nil
	}
	for _, program := range f.helpers {
		if _, err := exec.LookPath(program); err == nil {
			return f.run.get(ctx, program, r.Host, f.name)
		}
	}
	return Credential{}, &PassedOver{fmt.Sprintf("%s is not installed on this agent", strings.Join(f.helpers, " or "))}
}
