package dockerinfo

import (
	"errors"
	"io"

	"github.com/slipway-build/slipway/internal/format"
)

// listing is a command of docker that prints a table.
type listing struct {
	// table is the template without --format, and headers are those of its fields.
	table   string
	headers map[string]string
	// quiet is the field that is printed with --quiet.
	quiet string
	// empty is a row without values: a template is checked with it.
	empty any
	rows  []any
}

// container has the fields of docker ps --format
// (https://github.com/docker/cli/blob/v29.5.3/cli/command/formatter/container.go).
type container struct {
	ID, Names, Image, Command, CreatedAt, RunningFor, Ports, State, Status, Size, Labels, Mounts, LocalVolumes, Networks, Platform, HealthStatus string
}

// Label is a function of docker's templates.
func (container) Label(string) string { return "" }

// volume has those of docker volume ls.
type volume struct {
	Name, Driver, Scope, Mountpoint, Labels, Links, Size, Availability, Group, Status string
}

// Label is a function of docker's templates.
func (volume) Label(string) string { return "" }

// network has those of docker network ls.
type network struct {
	ID, Name, Driver, Scope, IPv4, IPv6, Internal, Labels, CreatedAt string
}

// Label is a function of docker's templates.
func (network) Label(string) string { return "" }

// usage has those of docker system df.
type usage struct{ Type, TotalCount, Active, Size, Reclaimable string }

// contextRow has those of docker context ls.
type contextRow struct {
	Name, Description, DockerEndpoint, ContextType, Error string
	Current                                               bool
}

// listings are the commands, by their names in package dockercli. No engine is there,
// so there is nothing to list but the context.
func listings(host string) map[string]listing {
	return map[string]listing{
		"ps": {
			table: `table {{.ID}}\t{{.Image}}\t{{.Command}}\t{{.RunningFor}}\t{{.Status}}\t{{.Ports}}\t{{.Names}}`, quiet: "{{.ID}}", empty: container{},
			headers: map[string]string{
				"ID": "CONTAINER ID", "Image": "IMAGE", "Command": "COMMAND", "CreatedAt": "CREATED AT", "RunningFor": "CREATED", "Ports": "PORTS", "State": "STATE",
				"Status": "STATUS", "Size": "SIZE", "Names": "NAMES", "Labels": "LABELS", "Mounts": "MOUNTS", "LocalVolumes": "LOCAL VOLUMES", "Networks": "NETWORKS",
				"Platform": "PLATFORM", "HealthStatus": "HEALTH STATUS",
			},
		},
		"volume ls": {
			table: `table {{.Driver}}\t{{.Name}}`, quiet: "{{.Name}}", empty: volume{},
			headers: map[string]string{
				"Name": "VOLUME NAME", "Driver": "DRIVER", "Scope": "SCOPE", "Mountpoint": "MOUNTPOINT", "Labels": "LABELS", "Links": "LINKS", "Size": "SIZE",
				"Availability": "AVAILABILITY", "Group": "GROUP", "Status": "STATUS",
			},
		},
		"network ls": {
			table: `table {{.ID}}\t{{.Name}}\t{{.Driver}}\t{{.Scope}}`, quiet: "{{.ID}}", empty: network{},
			headers: map[string]string{
				"ID": "NETWORK ID", "Name": "NAME", "Driver": "DRIVER", "Scope": "SCOPE", "IPv4": "IPV4", "IPv6": "IPV6", "Internal": "INTERNAL", "Labels": "LABELS", "CreatedAt": "CREATED AT",
			},
		},
		"system df": {
			table: `table {{.Type}}\t{{.TotalCount}}\t{{.Active}}\t{{.Size}}\t{{.Reclaimable}}`, empty: usage{},
			headers: map[string]string{"Type": "TYPE", "TotalCount": "TOTAL", "Active": "ACTIVE", "Size": "SIZE", "Reclaimable": "RECLAIMABLE"},
			rows: []any{
				usage{"Images", "0", "0", "0B", "0B"}, usage{"Containers", "0", "0", "0B", "0B"},
				usage{"Local Volumes", "0", "0", "0B", "0B"}, usage{"Build Cache", "0", "0", "0B", "0B"},
			},
		},
		"context ls": {
			table: `table {{.Name}}{{if .Current}} *{{end}}\t{{.Description}}\t{{.DockerEndpoint}}\t{{.Error}}`, quiet: "{{.Name}}", empty: contextRow{},
			headers: map[string]string{"Name": "NAME", "Description": "DESCRIPTION", "DockerEndpoint": "DOCKER ENDPOINT", "ContextType": "TYPE", "Error": "ERROR"},
			rows: []any{contextRow{
				Name: DefaultContext, Description: "Slipway: builds need no Docker engine", DockerEndpoint: host, ContextType: "moby", Current: true,
			}},
		},
	}
}

// WriteList writes what a command of docker lists, by its name in package dockercli: as
// a table, or by a template or "json", an object on each line, where format is not empty.
// host is the value of DOCKER_HOST.
func WriteList(w io.Writer, command, host, template string, quiet bool) error {
	l := listings(engineHost(host))[command]
	switch {
	case template == "json":
		for _, row := range l.rows {
			if err := format.JSONLine(w, row); err != nil {
				return err
			}
		}
		return nil
	case template == "" && quiet && l.quiet != "":
		template = l.quiet
	case template == "" || template == "table":
		template = l.table
	}
	parsed, err := format.Parse(template, l.empty)
	switch {
	case errors.Is(err, format.ErrNoTemplate): // docker prints it for each row
		for range l.rows {
			if _, err := io.WriteString(w, template+"\n"); err != nil {
				return err
			}
		}
		return nil
	case err != nil:
		return &FormatError{template, err}
	}
	err = parsed.Write(w, l.headers, l.rows)
	if failed := (*format.ExecError)(nil); errors.As(err, &failed) {
		return &FormatError{template, failed}
	}
	return err
}
