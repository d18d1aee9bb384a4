#!/bin/sh
# What aria2 runs when a download is complete: says so on the standard output that both share.
echo COMPLETE
