#!/usr/bin/env bash
# Start a whole Slurm (munge, controller, one node) on this machine, in user space, and print the
# line that makes its commands usable: export SLURM_CONF=...
#
#   eval "$(tests/tools/start_slurm.sh [FOLDER])"     start, or find it running
#   tests/tools/start_slurm.sh --stop [FOLDER]        stop it
#
# Needs Debian's packages slurm-wlm and munge; no systemd, no configuration in /etc. Run as root or as
# a user who may start slurmd (root in CI). FOLDER defaults to /tmp/dosml-slurm-$USER.
set -euo pipefail

stop=
if [ "${1:-}" = --stop ]; then stop=1; shift; fi
folder=${1:-/tmp/dosml-slurm-$(id -un)}
port=${DOSML_SLURM_PORT:-16817}
user=$(id -un)
cpus=${DOSML_SLURM_CPUS:-4}
host=$(hostname -s)

say() { echo "start_slurm: $*" >&2; }
is_up() { [ -f "$folder/slurm.conf" ] && SLURM_CONF=$folder/slurm.conf timeout 10 scontrol ping 2>/dev/null | grep -q UP; }
end() { # by process id from the daemon's own file, and only if it still is that daemon
    local file=$folder/$1.pid pid
    pid=$(cat "$file" 2>/dev/null) || return 0
    if [ -n "$pid" ] && grep -q "$1" "/proc/$pid/cmdline" 2>/dev/null; then kill "$pid" 2>/dev/null || true; fi
    rm -f "$file"
}

if [ -n "$stop" ]; then
    for daemon in slurmd slurmctld munged; do end "$daemon"; done
    say "stopped"
    exit 0
fi
for program in munged slurmctld slurmd sbatch squeue; do
    PATH=$PATH:/usr/sbin command -v "$program" >/dev/null ||
        { say "no $program: apt-get install slurm-wlm munge"; exit 2; }
done
export PATH=$PATH:/usr/sbin
exec 9>"$folder.lock" # two test processes may call this at once
flock 9
if is_up; then
    echo "export SLURM_CONF=$folder/slurm.conf"
    exit 0
fi
for daemon in slurmd slurmctld munged; do end "$daemon"; done
mkdir -p "$folder"/{state,spool,log}
chmod 755 "$folder" "$folder"/{state,spool,log} # munged wants no folder that others may write to
[ -s "$folder/munge.key" ] || head -c 1024 /dev/urandom >"$folder/munge.key"
chmod 400 "$folder/munge.key"

cat >"$folder/slurm.conf" <<EOF
ClusterName=dosml
SlurmctldHost=$host(127.0.0.1)
SlurmUser=$user
SlurmdUser=$user
AuthType=auth/munge
AuthInfo=socket=$folder/munge.socket
CredType=cred/munge
SlurmctldPort=$port
SlurmdPort=$((port + 1))
SlurmctldPidFile=$folder/slurmctld.pid
SlurmdPidFile=$folder/slurmd.pid
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/spool
SlurmctldLogFile=$folder/log/slurmctld.log
SlurmdLogFile=$folder/log/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SchedulerType=sched/backfill
SchedulerParameters=sched_interval=1,bf_interval=1,batch_sched_delay=0,sched_min_interval=100000
SlurmdParameters=config_overrides
ReturnToService=2
KillWait=2
InactiveLimit=0
MinJobAge=300
UnkillableStepTimeout=60
PropagateResourceLimitsExcept=ALL
NodeName=$host NodeAddr=127.0.0.1 CPUs=$cpus RealMemory=1000 State=UNKNOWN
PartitionName=compute Nodes=$host Default=YES MaxTime=24:00:00 OverSubscribe=NO State=UP
EOF

munged --force --key-file="$folder/munge.key" --socket="$folder/munge.socket" \
    --pid-file="$folder/munged.pid" --log-file="$folder/log/munged.log" \
    --seed-file="$folder/munge.seed" >&2 9>&-
export SLURM_CONF=$folder/slurm.conf
slurmctld -f "$SLURM_CONF" >&2 9>&-
slurmd -f "$SLURM_CONF" -N "$host" >&2 9>&-
for _ in $(seq 60); do
    if is_up && sinfo --noheader --format=%T 2>/dev/null | grep -q '^\(idle\|mixed\|allocated\)'; then
        echo "export SLURM_CONF=$SLURM_CONF"
        exit 0
    fi
    sleep 0.5
done
say "Slurm does not come up; the end of its logs:"
tail -n 20 "$folder"/log/*.log >&2
exit 1
