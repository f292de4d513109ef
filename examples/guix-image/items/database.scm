;; Writes a database that tells Guix of items beneath a folder, as if they had been built in that store, at one
;; fixed moment.
;;
;;   guix repl -- database.scm FOLDER ITEMS DATABASE
(use-modules (guix store database) (guix build store-copy) (ice-9 match) (srfi srfi-19))

(match (command-line)
  ((_ folder items database)
   (with-database database db
     (call-with-input-file items
       (lambda (port)
         (let loop ((line (read port)))
           (match line
             ((? eof-object?) #t)
             ((item references ...)
              (register-items db (list (store-info item #f references))
                              #:prefix folder
                              #:registration-time (make-time time-utc 0 1)
                              #:log-port (%make-void-port "w"))
              (loop (read port))))))))))
