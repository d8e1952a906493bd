#!/usr/bin/env bash
# Runs slipway build with the inputs of action.yml, which are in the variables INPUT_*.
#
# No input is ever part of a command: each becomes one argument of the form
# --flag=value, whatever it holds. The script is for bash 3.2, which macOS has.
set -euo pipefail

# message escapes what ends a workflow command.
message() {
	local text=$1
	text=${text//'%'/%25}
	text=${text//$'\r'/%0D}
	printf '%s' "${text//$'\n'/%0A}"
}

# fail ends the step as slipway does for a usage error.
fail() {
	printf '::error title=slipway::%s\n' "$(message "$1")" >&2
	exit 2
}

warn() { printf '::warning title=slipway::%s\n' "$(message "$1")" >&2; }

# input prints the input NAME without white space around it.
input() {
	local name=INPUT_$1
	trim "${!name-}"
}

trim() {
	local text=$1
	text=${text#"${text%%[![:space:]]*}"}
	printf '%s' "${text%"${text##*[![:space:]]}"}"
}

# list puts the items of the input NAME into the array items, as build-push-action reads
# them: CSV whose quotes are optional, each line an item. MODE is split where commas
# separate items too, join where they belong to the item, and raw where quotes have no
# meaning either. White space around an item is dropped unless the third argument is keep.
# The array quotes says of each item whether it is a quoted one.
items=() quotes=()
list() {
	local mode=$2 white=${3-trim} rest field part record='' fields=0 quote=''
	rest=$(input "$1")
	items=() quotes=()
	while [ -n "$rest" ]; do
		field=''
		if [ "$mode" != raw ] && [ "${rest:0:1}" = '"' ]; then
			rest=${rest:1}
			while :; do
				case $rest in *'"'*) ;; *) fail "input $(input_name "$1"): a quote is not closed" ;; esac
				field+=${rest%%'"'*}
				rest=${rest#*'"'}
				[ "${rest:0:1}" = '"' ] || break
				field+='"'
				rest=${rest:1}
			done
			case $rest in
			'' | ,* | $'\n'* | $'\r\n'*) quote=quoted ;;
			*) field="\"$field\"" ;; # no quoted item after all
			esac
		fi
		if [ "$mode" = raw ]; then part=${rest%%$'\n'*}; else part=${rest%%[,$'\n']*}; fi
		field+=$part
		rest=${rest:${#part}}
		if [ "${rest:0:1}" != , ]; then
			field=${field%$'\r'}
		fi
		if [ "$mode" = split ]; then
			while :; do
				add "${field%%,*}" "$white"
				case $field in *,*) field=${field#*,} ;; *) break ;; esac
			done
		elif [ "$fields" -gt 0 ]; then
			record+=,$field
		else
			record=$field
		fi
		fields=$((fields + 1))
		case $rest in
		,*)
			rest=${rest:1}
			[ -n "$rest" ] || [ "$mode" = split ] || record+=,
			continue
			;;
		$'\n'*) rest=${rest:1} ;;
		esac
		[ "$mode" = split ] || add "$record" "$white" "$quote"
		record='' fields=0 quote=''
	done
	[ "$mode" = split ] || [ "$fields" -eq 0 ] || add "$record" "$white" "$quote"
}

add() {
	local item=$1
	[ "$2" = keep ] || item=$(trim "$1")
	[ -z "$item" ] || items+=("$item") quotes+=("${3-}")
}

# input_name is what action.yml calls the variable INPUT_NAME.
input_name() { printf '%s' "$1" | tr 'A-Z_' 'a-z-'; }

args=(build)

# one adds --FLAG=VALUE for an input with one value, each one for every item of a list.
one() {
	local value
	value=$(input "$1")
	[ -z "$value" ] || args+=("--$2=$value")
}

each() {
	list "$1" "$2"
	local item
	for item in "${items[@]+"${items[@]}"}"; do args+=("--$3=$item"); done
}

# switch adds --FLAG where the input is true. An empty one is false.
switch() {
	local value
	value=$(input "$1")
	case $value in
	true | True | TRUE) args+=("--$2") ;;
	false | False | FALSE | '') ;;
	*) fail "input $(input_name "$1"): $value is no boolean: give true or false" ;;
	esac
}

# quoted is a field of CSV.
quoted() { printf '"%s"' "${1//\"/\"\"}"; }

# pair splits item INDEX of the array items, a secret as ID=VALUE, into id and value. A
# secret that is not set, as in a pull request from a fork, is no error: the step that
# needs it fails. The lines of a value that is not quoted are items too, and the last one
# of a key may end with =. So an ID is in a message only where no value can go on in it:
# in the first item, in a quoted one and after one. The other items have a number.
pair() {
	local index=$2 item=${items[$2]} name
	id='' value=''
	case $item in *=*) id=${item%%=*} value=${item#*=} ;; esac
	# What has nothing but = is base64's padding.
	case $value in *[!=]*) [ -z "$id" ] || return 0 ;; esac
	name="item $((index + 1))"
	if [ -n "$id" ] && { [ "$index" -eq 0 ] || [ -n "${quotes[$index]}${quotes[$((index - 1))]}" ]; }; then name=$id; fi
	if [ -z "$id" ]; then name+=' has no ID or'; else name+=' has'; fi
	warn "input $1: $name no value, so the build does not get that secret: it is ID=VALUE, and in quotes where it has several lines"
	return 1
}

# install puts the program of slipway-url where later steps of the job find it, too.
install_slipway() {
	local url sum dir file
	url=$(input SLIPWAY_URL) sum=$(input SLIPWAY_SHA256)
	[ -n "$url" ] && [ -n "$sum" ] || fail 'slipway is not in the PATH of this runner: put it into the image of the runner (COPY --from=ghcr.io/slipway-build/slipway:VERSION /usr/local/bin/slipway /usr/local/bin/), or set the inputs slipway-url and slipway-sha256'
	case $url in https://?*) ;; *) fail "input slipway-url: $url does not begin with https://" ;; esac
	case $sum in *[!0-9a-f]*) sum='' ;; esac
	[ ${#sum} -eq 64 ] || fail 'input slipway-sha256: it is no SHA-256: give 64 lower-case hexadecimal digits'
	dir=${RUNNER_TOOL_CACHE:-${RUNNER_TEMP:-/tmp}}/slipway/$sum
	file=$dir/slipway
	if ! [ -x "$file" ] || ! checksum "$file" "$sum"; then
		mkdir -p "$dir"
		# Beside its place first: another job of this runner may install it at the same time.
		local part
		part=$(mktemp "$dir/download.XXXXXX")
		curl --fail --silent --show-error --location --proto =https --retry 3 --connect-timeout 20 --max-time 300 \
			--output "$part" -- "$url" || { rm -f "$part"; fail "slipway cannot be downloaded from $url: see the line above"; }
		checksum "$part" "$sum" || { rm -f "$part"; fail "what $url serves has another SHA-256 than slipway-sha256: it is not used"; }
		chmod 755 "$part"
		mv -f "$part" "$file"
	fi
	PATH=$dir:$PATH
	[ -z "${GITHUB_PATH-}" ] || printf '%s\n' "$dir" >> "$GITHUB_PATH"
}

checksum() {
	local got
	if command -v sha256sum > /dev/null; then got=$(sha256sum < "$1"); else got=$(shasum -a 256 < "$1"); fi
	[ "${got%% *}" = "$2" ]
}

command -v slipway > /dev/null || install_slipway

server=${GITHUB_SERVER_URL:-https://github.com}
repository=$server/${GITHUB_REPOSITORY-}
# A pull request is built as it would be merged.
case ${GITHUB_REF-} in
refs/pull/*) default_context=$repository.git#$GITHUB_REF ;;
*) default_context=$repository.git#${GITHUB_SHA-} ;;
esac

# with_default_context fills in {{defaultContext}}.
with_default_context() {
	local text=$1 name
	for name in '{{defaultContext}}' '{{ defaultContext }}'; do text=${text//"$name"/$default_context}; done
	printf '%s' "$text"
}

context=$(with_default_context "$(input CONTEXT)")
context=${context:-$default_context}

each ADD_HOSTS split add-host
each ALLOW split allow
each ANNOTATIONS join annotation
each BUILD_ARGS join build-arg
list BUILD_CONTEXTS join
for item in "${items[@]+"${items[@]}"}"; do args+=("--build-context=$(with_default_context "$item")"); done
one BUILDER builder
each CACHE_FROM join cache-from
each CACHE_TO join cache-to
one CALL call
one CGROUP_PARENT cgroup-parent
one FILE file
each LABELS join label
switch LOAD load
one NETWORK network
switch NO_CACHE no-cache
each NO_CACHE_FILTERS split no-cache-filter
each OUTPUTS raw output
docker_output=$(input LOAD)
for item in "${items[@]+"${items[@]}"}"; do
	case ,$item, in *,type=docker,*) docker_output=true ;; esac
done
list PLATFORMS split
platforms=''
for item in "${items[@]+"${items[@]}"}"; do platforms+=${platforms:+,}$item; done
[ -z "$platforms" ] || args+=("--platform=$platforms")
switch PULL pull
switch PUSH push
one SHM_SIZE shm-size
each SSH split ssh
each TAGS split tag
one TARGET target
each ULIMIT join ulimit

one TAGS_FROM tags-from
one LABELS_FROM labels-from
one ANNOTATIONS_FROM annotations-from
each IMAGES raw image
each TAG_RULES raw tag-rule
each TAG_FLAVOR raw tag-flavor

# The provenance names this run as what made the image. Without any input there is one,
# with the build arguments in it only where the repository is public; an image for an
# engine has none.
builder_id=builder-id=$repository/actions/runs/${GITHUB_RUN_ID-}/attempts/${GITHUB_RUN_ATTEMPT-}
provenance=$(input PROVENANCE)
sbom=$(input SBOM)
list ATTESTS join
attests=("${items[@]+"${items[@]}"}")
attests_provenance=false
for item in "${attests[@]+"${attests[@]}"}"; do
	case ,$item, in *,type=provenance,*) attests_provenance=true ;; esac
done
case $provenance in
'')
	case ${BUILDX_NO_DEFAULT_ATTESTATIONS-} in 1 | t | T | true | True | TRUE) attests_provenance=true ;; esac
	case $docker_output in true | True | TRUE) attests_provenance=true ;; esac
	if [ "$attests_provenance" = true ]; then :
	elif [ "$(input REPOSITORY_PRIVATE)" = true ]; then args+=("--attest=type=provenance,mode=min,inline-only=true,$builder_id")
	else args+=("--attest=type=provenance,mode=max,$builder_id"); fi
	;;
true | True | TRUE) args+=("--attest=type=provenance,$builder_id") ;;
false | False | FALSE) args+=("--attest=type=provenance,disabled=true") ;;
*builder-id=*) args+=("--attest=type=provenance,$provenance") ;;
*) args+=("--attest=type=provenance,$provenance,$builder_id") ;;
esac
[ -z "$sbom" ] || args+=("--sbom=$sbom")
for item in "${attests[@]+"${attests[@]}"}"; do
	case ,$item, in
	*,type=provenance,*)
		[ -z "$provenance" ] || continue # the input takes precedence
		case $item in *builder-id=*) ;; *) item+=,$builder_id ;; esac
		;;
	*,type=sbom,*) [ -z "$sbom" ] || continue ;;
	esac
	args+=("--attest=$item")
done

# The values of secrets are in variables of the program, never in arguments or files.
git_token=$(input GITHUB_TOKEN)
number=0
list SECRETS join keep
for ((i = 0; i < ${#items[@]}; i++)); do
	case ${items[$i]} in GIT_AUTH_TOKEN=*) git_token='' ;; esac
	pair secrets "$i" || continue
	printf '::add-mask::%s\n' "$(message "$value")"
	variable=SLIPWAY_ACTION_SECRET_$((number += 1))
	export "$variable=$value"
	args+=("--secret=$(quoted "id=$id"),env=$variable")
done
list SECRET_ENVS split
for ((i = 0; i < ${#items[@]}; i++)); do
	pair secret-envs "$i" || continue
	args+=("--secret=$(quoted "id=$id"),$(quoted "env=$value")")
done
list SECRET_FILES join
for ((i = 0; i < ${#items[@]}; i++)); do
	pair secret-files "$i" || continue
	args+=("--secret=$(quoted "id=$id"),$(quoted "src=$value")")
done
case $context in
"$default_context"*)
	if [ -n "$git_token" ]; then
		host=${server#*://}
		export SLIPWAY_ACTION_GIT_TOKEN=$git_token
		args+=("--secret=id=GIT_AUTH_TOKEN.${host%%/*},env=SLIPWAY_ACTION_GIT_TOKEN")
	fi
	;;
esac
# The token of the job is what ghcr.io takes.
GITHUB_TOKEN=${GITHUB_TOKEN:-$(input GITHUB_TOKEN)}
export GITHUB_TOKEN

# What is left of the inputs holds secrets, and is nobody else's.
for name in ${!INPUT_*}; do unset "$name"; done
exec slipway "${args[@]}" -- "$context"
