;; Packages of a Guix that need nothing to be bootstrapped: their derivations run the static bash and busybox of Debian.
(define-module (rbld-tests)
  #:use-module (guix build-system)
  #:use-module (guix derivations)
  #:use-module (guix gexp)
  #:use-module (guix monads)
  #:use-module (guix packages)
  #:use-module (guix search-paths)
  #:use-module (guix store)
  #:use-module (srfi srfi-1)
  #:use-module (ice-9 match))

(define (plain name)
  (local-file (string-append "/usr/bin/" name) name #:recursive? #t))

;; busybox does what it is called, so it is run under other names than its own.
(define prelude "run() { (exec -a \"$1\" $BUSYBOX \"${@:2}\"); }\n")

(define script-build-system
  (build-system
    (name 'script)
    (description "Run a script with a static bash.")
    (lower (lambda* (name #:key system target inputs (script "") #:allow-other-keys)
             (bag
               (name name)
               (system system)
               (build-inputs inputs)
               (build (lambda* (name inputs #:key system (outputs '("out")) #:allow-other-keys)
                        (mlet %store-monad ((shell (lower-object (plain "bash-static") system))
                                            (busybox (lower-object (plain "busybox") system))
                                            (made (mapm %store-monad
                                                        (match-lambda
                                                          ((label input . _)
                                                           (mlet %store-monad ((drv (lower-object (gexp-input-thing input) system)))
                                                             (return (cons label drv)))))
                                                        inputs)))
                          (raw-derivation name shell (list "-euc" (string-append prelude script))
                                          #:sources (list shell busybox)
                                          #:inputs (map (lambda (input) (list (cdr input))) made)
                                          #:system system
                                          #:outputs outputs
                                          #:env-vars `(("SHELL" . ,shell) ("BUSYBOX" . ,busybox)
                                                       ,@(map (match-lambda
                                                                ((label . drv) (cons label (derivation->output-path drv))))
                                                              made)))))))))))
(define-syntax-rule (script-package the-name the-version the-script field ...)
  (package
    (name the-name)
    (version the-version)
    (source #f)
    (build-system script-build-system)
    (arguments (list #:script the-script))
    (home-page #f)
    (synopsis "A package of rbld's tests")
    (description "A package of rbld's tests.")
    (license #f)
    field ...))

;; The commands of busybox, and bash.
(define-public tools
  (script-package "rbld-tools" "1.0" "
run mkdir -p $out/bin
for name in sh awk cat chmod cp date env expr find grep gzip head id ls ln mkdir mv rm sed sha256sum sort tail tar test touch tr uname wc; do
  run ln -s $BUSYBOX $out/bin/$name
done
run ln -s $SHELL $out/bin/bash
"))

;; What another package propagates, with a variable that leads to it.
(define-public words
  (script-package "rbld-words" "2.1" "
run mkdir -p $out/share/words
echo 'hello, world' > $out/share/words/greeting
"
    (native-search-paths
     (list (search-path-specification (variable "WORDS_PATH") (files '("share/words")))))))

(define-public greet
  (script-package "rbld-greet" "1.0" "
run mkdir -p $out/bin
echo \"#!$tools/bin/sh\" > $out/bin/greet
echo 'exec cat \"${WORDS_PATH%%:*}/greeting\"' >> $out/bin/greet
run chmod +x $out/bin/greet
"
    (inputs (list (list "tools" tools)))
    (propagated-inputs (list words))))
