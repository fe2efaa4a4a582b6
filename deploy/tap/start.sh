#!/bin/sh
# Starts nginx in a container. nginx looks the gateway's name up only when it starts or is reloaded,
# and does not start without an answer: so this waits for one, and reloads every hour, which lets
# streams go on.
folder=$(dirname "$0")
tries=0
until nginx -t -q -e stderr -c "$folder/main.conf"; do
    tries=$((tries + 1))
    # An application that waits for /tmp/started starts without it then; its calls fail for now.
    [ "$tries" -lt 10 ] || touch /tmp/started
    sleep 2
done
touch /tmp/started
(while sleep 3600 && kill -HUP $$; do :; done) &
exec nginx -e stderr -c "$folder/main.conf"
