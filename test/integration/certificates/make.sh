#!/bin/sh
# Makes the certificates of this folder: an authority, a server certificate for a century, and an expired one.
# They protect nothing, as the key is public. Run it in this folder; it needs openssl.
set -eu

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cat > "$work/ca.conf" << EOF
[ca]
default_ca = authority
[authority]
database = $work/index
serial = $work/serial
new_certs_dir = $work
certificate = authority.pem
private_key = $work/authority-key.pem
default_md = sha256
policy = any
[any]
commonName = supplied
[authority_extensions]
basicConstraints = critical, CA:true
[server_extensions]
subjectAltName = DNS:localhost, IP:127.0.0.1
EOF
touch "$work/index"
echo 01 > "$work/serial"

key() { openssl ecparam -name prime256v1 -genkey -noout -out "$1"; }
# sign <file> <from> <until> <extensions> [option]: signs $work/request.
sign() {
  : > "$work/index" # the same name twice is fine
  openssl ca -batch -notext -config "$work/ca.conf" -in "$work/request" -out "$1" \
    -startdate "$2" -enddate "$3" -extensions "$4" ${5:-}
}

key "$work/authority-key.pem"
openssl req -new -key "$work/authority-key.pem" -subj '/CN=clstr test authority' -out "$work/request"
sign authority.pem 20200101000000Z 21200101000000Z authority_extensions -selfsign
key server-key.pem
openssl req -new -key server-key.pem -subj '/CN=localhost' -out "$work/request"
sign server.pem 20200101000000Z 21200101000000Z server_extensions
sign expired.pem 20200101000000Z 20200102000000Z server_extensions
