#!/bin/sh
test "$(printf abc | ./brook)" = 352441c2
