;; A closure of $GIGABYTES GiB of real files for tests/bench/guix.sh: folders of the Debian that this Guix runs in, as they
;; are and once more with their letters turned, so that no two items hold equal files.
(use-modules (guix store) (guix derivations) (ice-9 ftw) (srfi srfi-1))

(define store (open-connection))
(define shell (add-to-store store "bash-static" #t "sha256" "/usr/bin/bash-static"))
(define busybox (add-to-store store "busybox" #t "sha256" "/usr/bin/busybox"))
(define goal (* (string->number (getenv "GIGABYTES")) (expt 2 30)))

(define (size path)
  (file-system-fold (const #t) (lambda (path stat sum) (+ sum (stat:size stat)))
                    (lambda (path stat sum) sum) (lambda (path stat sum) sum) (lambda (path stat sum) sum)
                    (lambda (path stat error sum) sum) 0 path lstat))

;; Folders of some 5 to 60 MB, as items of a real closure are; larger ones are taken apart.
(define (folders path)
  (let ((here (size path)))
    (cond ((< here 2000000) '())
          ((< here 60000000) (list (cons path here)))
          (else (append-map (lambda (name) (folders (string-append path "/" name)))
                            (or (scandir path (lambda (name)
                                                (and (not (string-prefix? "." name))
                                                     (eq? 'directory (stat:type (lstat (string-append path "/" name)))))))
                                '()))))))

(define (build name script inputs)
  (let ((drv (derivation store name shell (list "-euc" script)
                         #:sources (cons* shell busybox inputs)
                         #:env-vars `(("BUSYBOX" . ,busybox)))))
    (build-derivations store (list drv))
    (derivation->output-path drv)))

;; The same files with other letters; each of these makes files that nothing else has.
(define turns '("n-za-mN-ZA-M" "b-zaB-ZA" "c-za-bC-ZA-B" "d-za-cD-ZA-C" "e-za-dE-ZA-D"))

(define (turned letters)
  (lambda (path)
    (build "turned" (string-append "
run() { (exec -a \"$1\" $BUSYBOX \"${@:2}\"); }
run mkdir $out
cd " path "
run find . -type d | while read -r d; do run mkdir -p \"$out/$d\"; done
run find . -type f | while read -r f; do run tr a-zA-Z " letters " < \"$f\" > \"$out/$f\"; done
") '())))

(define (name path)
  (string-append "folder-" (string-map (lambda (c) (if (char-alphabetic? c) c #\-)) (basename path))))

(define (plain path)
  (add-to-store store (name path) #t "sha256" path))

;; Takes folders until there is enough.
(define (take-until kind folders sum)
  (if (or (null? folders) (>= sum goal))
      (cons sum '())
      (let ((rest (take-until kind (cdr folders) (+ sum (cdar folders)))))
        (cons (car rest) (cons (kind (caar folders)) (cdr rest))))))

(define all (append (folders "/usr/lib") (folders "/usr/share")))
(define items
  (let loop ((kinds (cons plain (map turned turns))) (sum 0))
    (if (or (null? kinds) (>= sum goal))
        '()
        (let ((taken (take-until (car kinds) all sum)))
          (append (cdr taken) (loop (cdr kinds) (car taken)))))))
(for-each (lambda (item) (format #t "item part ~a~%" item)) items)
(format #t "item all ~a~%"
        (build "all" (string-append "echo " (string-join items) " > $out") items))
