;; Builds what the image's Guix holds: a text, and a program that says it. Nothing is needed for them but the shell and the
;; busybox that are given, so no server is asked for anything. Prints each item that the program needs, and what that refers to.
;;
;;   SHELL_PROGRAM=bash BUSYBOX_PROGRAM=busybox guix repl -- items.scm
(use-modules (guix store) (guix derivations))

(define store (open-connection))
(define shell (add-to-store store "bash" #t "sha256" (getenv "SHELL_PROGRAM")))
(define busybox (add-to-store store "busybox" #t "sha256" (getenv "BUSYBOX_PROGRAM")))

;; busybox does what it is called, so it is run under other names than its own.
(define prelude "run() { (exec -a \"$1\" $BUSYBOX \"${@:2}\"); }\n")

(define (build name script inputs)
  (let ((drv (derivation store name shell (list "-euc" (string-append prelude script))
                         #:sources (list shell busybox)
                         #:inputs (map derivation-input inputs)
                         #:env-vars `(("BUSYBOX" . ,busybox)))))
    (build-derivations store (list drv))
    drv))

(define out derivation->output-path)

(define words
  (build "words-1.0" "
run mkdir -p $out/share
echo 'built by Guix, in a build of Debian' > $out/share/words
" '()))

(define say
  (build "say-1.0" (string-append "
run mkdir -p $out/bin
echo '#!" shell "' > $out/bin/say
echo 'echo \"$(<" (out words) "/share/words)\"' >> $out/bin/say
run chmod 755 $out/bin/say
") (list words)))

(for-each (lambda (item)
            (write (cons item (sort (references store item) string<?)))
            (newline))
          (topologically-sorted store (sort (requisites store (list (out say))) string<?)))
