;; Run by rbld in `guix repl`: says what packages are to this Guix, a fact a line, its parts separated by tabs.
;;   lock.scm SYSTEM PACKAGE…
;; Nothing is built: the store paths follow from the derivations. Without grafts, since no server has what is
;; grafted: every machine makes that for itself.
(use-modules (guix config)
             (guix derivations)
             (guix gexp)
             (guix grafts)
             (guix monads)
             (guix packages)
             (guix profiles)
             (guix search-paths)
             (guix store)
             (gnu packages)
             (ice-9 match)
             (srfi srfi-1))

(define (entry specification)
  (call-with-values (lambda () (specification->package+output specification))
    (lambda (package output) (package->manifest-entry package output))))

(define (say . parts)
  (display (string-join (cons "rbld" parts) "\t"))
  (newline))

(define (path entry system)
  (mlet %store-monad ((object (lower-object (manifest-entry-item entry) system)))
    (return (if (derivation? object)
                (derivation->output-path object (manifest-entry-output entry))
                object))))

(match (command-line)
  ((_ system packages ...)
   (let* ((manifest (manifest (map entry packages)))
          (entries (manifest-transitive-entries manifest)))
     (with-store store
       (parameterize ((%graft? #f) (%current-system system))
         (set-build-options store #:use-substitutes? #t)
         ;; Two versions of one package in one profile are an error, as for `guix shell`.
         (run-with-store store
           (profile-derivation manifest #:hooks '() #:locales? #f #:system system)
           #:system system)
         (for-each (lambda (path) (say "item" path))
                   (delete-duplicates
                    (run-with-store store
                      (mapm %store-monad (lambda (entry) (path entry system)) entries)
                      #:system system)))))
     (for-each (lambda (search-path)
                 (match (search-path-specification->sexp search-path)
                   ((variable files separator type pattern)
                    (apply say "search-path" variable (or separator "") (symbol->string type)
                           (or pattern "") files))))
               (manifest-search-paths manifest))
     (say "guix" %guix-version)
     (say "end"))))
