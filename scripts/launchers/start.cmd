@echo off
rem Starts Haversack from the stick that this file lies on. Nothing is installed: the software is unpacked once into a folder of your own.
rem   START-Windows.cmd                      the page, in your browser
rem   START-Windows.cmd ask "..." --collection reports
rem   --portable                             keep everything on the stick
rem   --leave-no-trace                       remove the unpacked software at the end, and keep the library on the stick
rem It prints to stderr alone, so that what haversack prints can be used by other programs.
rem (Without delayed expansion: that would eat every "!" of a question.)
setlocal EnableExtensions DisableDelayedExpansion
set "here=%~dp0"
set "here=%here:~0,-1%"
set "platform=windows-x64"
set "portable="
for %%v in (1 true yes on) do if /i "%HAVERSACK_PORTABLE%"=="%%v" set "portable=1"
set "traceless="
set "place="
set "first="
set "arguments="
rem Windows' own programs, whatever else is on the PATH: another tar takes the colon of C: for another machine's name.
set "system=%SystemRoot%\System32"

:argument
if "%~1"=="" goto arguments_done
if "%~1"=="--portable" goto portable
if "%~1"=="--leave-no-trace" goto traceless
if not defined first set "first=%~1"
set arguments=%arguments% %1
shift
goto argument
:portable
set "portable=1"
shift
goto argument
:traceless
set "traceless=1"
shift
goto argument
:arguments_done
rem What begins with a dash is meant for the page, but for these three. (The arguments have quotes of their own, and can't be compared.)
if not defined first set "first=--page"
if "%first%"=="-h" goto command
if "%first%"=="--help" goto command
if "%first%"=="--version" goto command
if "%first:~0,1%"=="-" set arguments= serve --open%arguments%
:command

if not exist "%here%\SHA256SUMS" (
  call :stop "SHA256SUMS is missing beside this file, so nothing here can be checked. Copy the bundle again." 3
  goto end
)
if not exist "%system%\tar.exe" (
  call :stop "This Windows has no tar: Windows 10 of 2018 (1803) or newer is needed." 1
  goto end
)
call :listed %platform% base_hash base_file
call :listed haversack ours_hash ours_file
if not defined base_file (
  call :stop "This bundle holds no software for %platform%. Have one built with --platform %platform%." 3
  goto end
)

rem --- where to unpack: the user's own folder, the temporary folder, the stick: the first that can be written
set "own="
if defined traceless (
  call :try "%TEMP%\haversack-%RANDOM%%RANDOM%"
) else if defined portable (
  call :try "%here%\data"
) else (
  call :try "%LOCALAPPDATA%\Haversack"
  if not defined place call :try "%TEMP%\haversack"
  if not defined place call :try "%here%\data"
)
if not defined place (
  call :stop "There is no place for the software: none of your folders can be written." 1
  goto end
)
if defined traceless set "own=%place%"
if not exist "%place%\runtime\%base_hash:~0,16%\.whole" >&2 echo Unpacking the software into %place%\runtime (once, about a minute; the folder can be deleted at any time).
call :unpack "%base_hash%" "%base_file%"
if errorlevel 1 goto end
call :unpack "%ours_hash%" "%ours_file%"
if errorlevel 1 goto end

set "PYTHONHOME="
set "PYTHONPATH="
if not defined HAVERSACK_BUNDLE set "HAVERSACK_BUNDLE=%here%"
rem What was unpacked: compared with the signed list, which this script can't read.
set "HAVERSACK_STARTED_FROM=%here%"
set "HAVERSACK_ARCHIVES=%base_hash%:%base_file% %ours_hash%:%ours_file%"
if defined traceless if not defined HAVERSACK_HOME (
  mkdir "%here%\data" 2>nul
  if exist "%here%\data\" (
    set "portable=1"
  ) else (
    set "HAVERSACK_HOME=%own%\library"
    >&2 echo The stick can't be written, and no trace is to be left: what you put in is gone when Haversack stops.
  )
)
if defined portable set "HAVERSACK_PORTABLE=1"
"%place%\runtime\%base_hash:~0,16%\python\python.exe" -I "%place%\runtime\%ours_hash:~0,16%\haversack.py"%arguments%
set "code=%ERRORLEVEL%"
if defined own rmdir /s /q "%own%" 2>nul
rem A window that was opened by a double click closes at once: what was said must stay readable.
if not "%code%"=="0" pause >&2
exit /b %code%

:end
exit /b %code%

:stop
>&2 echo %~1
set "code=%~2"
pause >&2
exit /b %code%

:listed
set "%~2="
set "%~3="
rem findstr's "$" is a carriage return, and these lines have none.
for /f "usebackq tokens=1,2,3 delims=/ " %%a in (`%system%\findstr.exe /r /c:"  runtime/%~1-[0-9a-f]*\.tar\.gz" "%here%\SHA256SUMS"`) do (
  set "%~2=%%a"
  set "%~3=%%b\%%c"
)
exit /b 0

:try
mkdir "%~1" 2>nul
2>nul (>"%~1\.try" echo 1) || exit /b 1
del "%~1\.try"
set "place=%~1"
exit /b 0

:unpack
set "hash=%~1"
set "to=%place%\runtime\%hash:~0,16%"
if exist "%to%\.whole" exit /b 0
set "found="
if not exist "%here%\%~2" (
  call :stop "%~2 is missing on the stick. Copy the bundle again." 3
  exit /b 1
)
rem What a start left that was cut off; younger ones may belong to a start that is under way.
"%system%\forfiles.exe" /p "%place%\runtime" /m .unpacking-* /d -1 /c "cmd /c rmdir /s /q @path" >nul 2>nul
for /f "usebackq skip=1 delims=" %%h in (`%system%\certutil.exe -hashfile "%here%\%~2" SHA256`) do if not defined found set "found=%%h"
if defined found set "found=%found: =%"
if /i not "%found%"=="%hash%" (
  call :stop "%~2 is not as it was built: the stick is damaged, or somebody changed it. Copy the bundle again." 3
  exit /b 1
)
set "own_name=.unpacking-%RANDOM%%RANDOM%"
set "part=%place%\runtime\%own_name%"
mkdir "%part%" 2>nul
"%system%\tar.exe" -xzf "%here%\%~2" -C "%part%" 1>&2
if errorlevel 1 (
  rmdir /s /q "%part%"
  call :stop "%~2 could not be unpacked into %place%. Free some space there and start again." 1
  exit /b 1
)
rem A folder that was cut off has no such file, and is made anew.
>"%part%\.whole" echo %hash%
if not exist "%to%\.whole" if exist "%to%\" rmdir /s /q "%to%"
move "%part%" "%to%" >nul 2>nul
rem Another start may have been quicker: then it was moved into that one's folder, or not at all.
if exist "%part%\" rmdir /s /q "%part%"
if exist "%to%\%own_name%\" rmdir /s /q "%to%\%own_name%"
if not exist "%to%\.whole" (
  call :stop "%place%\runtime can't be written." 1
  exit /b 1
)
exit /b 0
