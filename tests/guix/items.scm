;; What the tests' Guix serves: three items that name each other and one to be tampered with, built by derivations without any bootstrap; the shell
;; and busybox that build them are added as they are in Debian.
(use-modules (guix store) (guix derivations))

(define store (open-connection))
(define shell (add-to-store store "bash-static" #t "sha256" "/usr/bin/bash-static"))
(define busybox (add-to-store store "busybox" #t "sha256" "/usr/bin/busybox"))

;; busybox does what it is called, so it is run under other names than its own.
(define prelude "run() { (exec -a \"$1\" $BUSYBOX \"${@:2}\"); }\n")

(define (build name script inputs)
  (let ((drv (derivation store name shell (list "-euc" (string-append prelude script))
                         #:sources (list shell busybox)
                         #:inputs (map list inputs)
                         #:env-vars `(("BUSYBOX" . ,busybox)))))
    (build-derivations store (list drv))
    (format #t "item ~a ~a~%" name (derivation->output-path drv))
    drv))

(define out derivation->output-path)

(define leaf
  (build "leaf-1.0" "
run mkdir -p $out/bin $out/share/empty
echo hello > $out/share/greeting
echo '#!/bin/sh' > $out/bin/hello
run chmod +x $out/bin/hello
run ln -s ../share/greeting $out/bin/link
" '()))

;; An item that is a file.
(define mid
  (build "mid-1.0" (string-append "echo " (out leaf) " > $out") (list leaf)))

;; One that names itself too.
(define top
  (build "top-1.0" (string-append "
run mkdir $out
run ln -s " (out mid) " $out/mid
echo " (out leaf) " $out > $out/note
") (list leaf mid)))

;; What a test changes behind the daemon's back.
(build "tampered-1.0" "
run mkdir $out
echo as it was built > $out/data
" '())
