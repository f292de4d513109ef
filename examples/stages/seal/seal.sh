#!/bin/sh
# seal: prints what this seal was made after.
echo "@BEFORE@"
