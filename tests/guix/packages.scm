;; Builds the packages in packages/ and what they propagate, for environments made of them.
(use-modules (guix) (guix grafts) (gnu packages))

(with-store store
  (parameterize ((%graft? #f))
    (for-each (lambda (name)
                (let ((drv (package-derivation store (specification->package name))))
                  (build-derivations store (list drv))
                  (format #t "item ~a ~a~%" name (derivation->output-path drv))))
              '("rbld-tools" "rbld-words" "rbld-greet"))))
