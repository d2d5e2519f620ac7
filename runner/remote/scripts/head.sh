PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin" LC_ALL=C HOME="${HOME:-/root}"
export PATH LC_ALL HOME
